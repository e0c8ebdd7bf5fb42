#include <string.h>

#include "endpoints/router.h"
#include "support/check.h"

static const struct {
    const char *target;
    enum path_kind kind;
    const char *text; /* of the clean path */
    const char *location;
    const char *query;
} paths[] = {
    { "/", PATH_CLEAN, "/", "", "" },
    { "/v4/ID/task", PATH_CLEAN, "/v4/ID/task", "", "" },
    { "/v4/ID/", PATH_CLEAN, "/v4/ID/", "", "" },
    { "/v4/", PATH_CLEAN, "/v4/", "", "" },
    { "/a?b=c&d", PATH_CLEAN, "/a", "", "b=c&d" },
    { "/a?b/../c//", PATH_CLEAN, "/a", "", "b/../c//" },
    { "/a%20b", PATH_CLEAN, "/a b", "", "" },
    { "/%76%34/x", PATH_CLEAN, "/v4/x", "", "" },
    { "/a%2Fb", PATH_CLEAN, "/a/b", "", "" },
    { "/a+b", PATH_CLEAN, "/a+b", "", "" },
    { "/...", PATH_CLEAN, "/...", "", "" },
    { "/.a/b..", PATH_CLEAN, "/.a/b..", "", "" },
    { "//", PATH_MOVED, "/", "/", "" },
    { "//v4/ID", PATH_MOVED, "/v4/ID", "/v4/ID", "" },
    { "/v4//task", PATH_MOVED, "/v4/task", "/v4/task", "" },
    { "/v4/ID//", PATH_MOVED, "/v4/ID/", "/v4/ID/", "" },
    { "/a/./b?q=1", PATH_MOVED, "/a/b", "/a/b?q=1", "q=1" },
    { "/a/b/..?", PATH_MOVED, "/a", "/a?", "" },
    { "/a/b/../", PATH_MOVED, "/a/", "/a/", "" },
    { "/a/.", PATH_MOVED, "/a", "/a", "" },
    { "/..", PATH_MOVED, "/", "/", "" },
    { "/../../etc/passwd", PATH_MOVED, "/etc/passwd", "/etc/passwd", "" },
    { "/a/%2e%2E/b", PATH_MOVED, "/b", "/b", "" },
    { "/a%2F%2Fb", PATH_MOVED, "/a/b", "/a/b", "" },
    { "//a b%25%3f\xc3\xa4?x", PATH_MOVED, "/a b%?\xc3\xa4", "/a%20b%25%3F%C3%A4?x", "x" },
    { "//\\evil.example", PATH_MOVED, "/\\evil.example", "/%5Cevil.example", "" },
    { "///evil.example/", PATH_MOVED, "/evil.example/", "/evil.example/", "" },
    { "http://169.254.170.2/v2/credentials/x?y", PATH_CLEAN, "/v2/credentials/x", "", "y" },
    { "HTTP://h//a", PATH_MOVED, "/a", "/a", "" },
    { "http://h", PATH_CLEAN, "/", "", "" },
    { "http://h?x", PATH_CLEAN, "/", "", "x" },
    { "", PATH_BAD, NULL, NULL, NULL },
    { "*", PATH_BAD, NULL, NULL, NULL },
    { "v4/x", PATH_BAD, NULL, NULL, NULL },
    { "?x", PATH_BAD, NULL, NULL, NULL },
    { "/%", PATH_BAD, NULL, NULL, NULL },
    { "/%4", PATH_BAD, NULL, NULL, NULL },
    { "/%zz", PATH_BAD, NULL, NULL, NULL },
    { "/v2/credentials/ID%00x", PATH_BAD, NULL, NULL, NULL },
    { "/a\x01", PATH_BAD, NULL, NULL, NULL },
    { "/a?\x7f", PATH_BAD, NULL, NULL, NULL },
    { "/a?\r\nX: y", PATH_BAD, NULL, NULL, NULL },
};

static void test_paths(void **state)
{
    struct path p;

    (void)state;
    path_init(&p);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        print_message("%s\n", paths[i].target);
        assert_int_equal(path_read(&p, str_of(paths[i].target)), paths[i].kind);
        if (paths[i].kind == PATH_BAD)
            continue;
        assert_string_equal(buf_text(&p.text), paths[i].text);
        assert_string_equal(buf_text(&p.location), paths[i].location);
        assert_text(p.query, paths[i].query);
    }
    path_fini(&p);
}

static void test_a_path_too_long_is_bad(void **state)
{
    static char target[HTTP_SERVER_HEAD_MAX + 2];
    struct path p;

    (void)state;
    memset(target, 'a', sizeof target - 1);
    target[0] = '/';
    path_init(&p);
    assert_int_equal(path_read(&p, str_of(target)), PATH_BAD);
    target[sizeof target - 2] = '\0';
    assert_int_equal(path_read(&p, str_of(target)), PATH_CLEAN);
    path_fini(&p);
}

static const struct {
    const char *query, *name;
    const char *value; /* NULL: none */
} queries[] = {
    { "id=abc", "id", "abc" },    { "x=1&id=abc&id=def", "id", "abc" },
    { "id=", "id", "" },          { "id", "id", "" },
    { "&&id=1", "id", "1" },      { "id=a+b%2b%26", "id", "a b+&" },
    { "%69d=1", "id", "1" },      { "id=a=b", "id", "a=b" },
    { "", "id", NULL },           { "ID=1", "id", NULL },
    { "idx=1", "id", NULL },      { "id=%zz&id=2", "id", "2" },
    { "id=1;x&id=2", "id", "2" }, { "id=%00", "id", NULL },
};

static void test_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        AUTO(buf) struct buf out = BUF_INIT(100);
        bool found = query_get(str_of(queries[i].query), queries[i].name, &out);

        print_message("%s\n", queries[i].query);
        assert_int_equal(found, queries[i].value != NULL);
        assert_string_equal(buf_text(&out), queries[i].value ? queries[i].value : "");
    }
}

static void test_a_query_without_text(void **state)
{
    AUTO(buf) struct buf out = BUF_INIT(100);

    (void)state;
    assert_false(query_get((struct str){ NULL, 0 }, "id", &out));
}

static const struct route table[] = {
    { "/", NULL, NULL, NULL },
    { "/v1/credentials", NULL, NULL, NULL },
    { "/v2/credentials/**", NULL, NULL, NULL },
    { "/v4/*", NULL, NULL, NULL },
    { "/v4/*/task", NULL, NULL, NULL },
    { "/v4/*/associations/*/**", NULL, NULL, NULL },
    { "/api/*/state", "GET", NULL, NULL },
    { "/api/*/state", "PUT", NULL, NULL },
};

static const struct {
    const char *method, *path;
    enum route_found found;
    size_t row;
    const char *parts[ROUTE_PARTS_MAX];
} finds[] = {
    { "GET", "/", ROUTE_FOUND, 0, { NULL } },
    { "GET", "/v1/credentials", ROUTE_FOUND, 1, { NULL } },
    { "DELETE", "/v1/credentials", ROUTE_FOUND, 1, { NULL } },
    { "GET", "/v1/credentials/", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v2/credentials", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v2/credentials/", ROUTE_FOUND, 2, { "" } },
    { "GET", "/v2/credentials/a/b/", ROUTE_FOUND, 2, { "a/b/" } },
    { "GET", "/v4/", ROUTE_FOUND, 3, { "" } },
    { "GET", "/v4/ID", ROUTE_FOUND, 3, { "ID" } },
    { "GET", "/v4", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v4/ID/", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v4/ID/task", ROUTE_FOUND, 4, { "ID" } },
    { "GET", "/v4/ID/task/", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v4/ID/tasks", ROUTE_NOT_FOUND, 0, { NULL } },
    { "GET", "/v4/ID/associations/gpu/a/b", ROUTE_FOUND, 5, { "ID", "gpu", "a/b" } },
    { "GET", "/v4/ID/associations/gpu/", ROUTE_FOUND, 5, { "ID", "gpu", "" } },
    { "GET", "/api/ID/state", ROUTE_FOUND, 6, { "ID" } },
    { "PUT", "/api/ID/state", ROUTE_FOUND, 7, { "ID" } },
    { "HEAD", "/api/ID/state", ROUTE_OTHER_METHOD, 0, { NULL } },
    { "get", "/api/ID/state", ROUTE_OTHER_METHOD, 0, { NULL } },
    { "POST", "/api/ID/other", ROUTE_NOT_FOUND, 0, { NULL } },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(finds); i++) {
        const struct route *route = NULL;
        struct route_match m;
        size_t n = 0;

        print_message("%s %s\n", finds[i].method, finds[i].path);
        assert_int_equal(
            route_find(table, COUNT_OF(table), finds[i].method, str_of(finds[i].path), &route, &m),
            finds[i].found);
        if (finds[i].found != ROUTE_FOUND)
            continue;
        assert_ptr_equal(route, &table[finds[i].row]);
        assert_text(m.path, finds[i].path);
        while (n < ROUTE_PARTS_MAX && finds[i].parts[n])
            n++;
        assert_int_equal(m.n_parts, n);
        for (size_t j = 0; j < n; j++)
            assert_text(m.parts[j], finds[i].parts[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_a_path_too_long_is_bad),
        cmocka_unit_test(test_queries), cmocka_unit_test(test_a_query_without_text),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
