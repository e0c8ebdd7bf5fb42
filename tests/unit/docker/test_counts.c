#include "unit/base/fixture.h"

#include "docker/counts.h"

static void test_classify(void **state)
{
    static const struct {
        const char *method, *path;
        enum docker_call_kind want;
    } rows[] = {
        { "GET", "/_ping", DOCKER_CALL_PING },
        { "GET", "/containers/json?all=1", DOCKER_CALL_LIST },
        { "GET", "/containers/abc/json", DOCKER_CALL_INSPECT },
        { "GET", "/containers/abc/logs?stdout=1", DOCKER_CALL_LOGS },
        { "POST", "/containers/create?name=json", DOCKER_CALL_CREATE },
        { "POST", "/containers/create/start", DOCKER_CALL_START },
        { "POST", "/containers/abc/stop?t=30", DOCKER_CALL_STOP },
        { "POST", "/containers/abc/kill?signal=9", DOCKER_CALL_KILL },
        { "DELETE", "/containers/abc?v=1", DOCKER_CALL_REMOVE },
        { "GET", "/images/json", DOCKER_CALL_LIST_IMAGES },
        { "GET", "/images/a/b:c/json", DOCKER_CALL_INSPECT_IMAGE },
        { "POST", "/images/create?fromImage=x", DOCKER_CALL_PULL },
        { "POST", "/images/x/tag?repo=y", DOCKER_CALL_TAG_IMAGE },
        { "DELETE", "/images/x/tag", DOCKER_CALL_REMOVE_IMAGE },
        { "GET", "/distribution/x/json", DOCKER_CALL_MANIFEST },
        { "POST", "/volumes/create", DOCKER_CALL_VOLUME },
        { "GET", "/events?since=1", DOCKER_CALL_EVENTS },
        { "GET", "/eventsx", DOCKER_CALL_OTHER },
        { "POST", "/containers/abc/exec", DOCKER_CALL_OTHER },
        { "GET", "", DOCKER_CALL_OTHER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(
            docker_call_kind_name(docker_call_classify(rows[i].method, str_of(rows[i].path))),
            docker_call_kind_name(rows[i].want));
}

static void test_count(void **state)
{
    struct docker_counts c;
    const struct docker_call_counts *stop = &c.calls[DOCKER_CALL_STOP];

    (void)state;
    docker_counts_init(&c);
    for (int i = 0; i < 3; i++)
        docker_count_begin(&c, DOCKER_CALL_STOP);
    assert_int_equal(stop->in_flight, 3);
    docker_count_end(&c, DOCKER_CALL_STOP, DOCKER_RESULT_OK, 1500);
    docker_count_end(&c, DOCKER_CALL_STOP, DOCKER_RESULT_TIMEOUT, 30000000);
    docker_count_end(&c, DOCKER_CALL_STOP, DOCKER_RESULT_CANCELED, 7);
    assert_int_equal(stop->in_flight, 0);
    assert_int_equal(stop->results[DOCKER_RESULT_OK], 1);
    assert_int_equal(stop->results[DOCKER_RESULT_TIMEOUT], 1);
    assert_int_equal(stop->results[DOCKER_RESULT_CANCELED], 1);
    assert_int_equal(histogram_upto(&stop->time, stop->time.rule->n), 2);
    assert_int_equal(stop->time.sum, 30001500);
    docker_count_begin(&c, DOCKER_CALL_EVENTS);
    docker_count_end(&c, DOCKER_CALL_EVENTS, DOCKER_RESULT_ERROR, 5);
    assert_int_equal(c.calls[DOCKER_CALL_EVENTS].time.sum, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_classify),
                                        cmocka_unit_test(test_count) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
