/* links: endpoints aws io base task */
/* What any container may say of its protection, and what ECS answers to it or to a question for
 * tags. */
#include "endpoints/protection.h"
#include "endpoints/tags.h"
#include "fuzz/fuzz.h"

/* Whatever comes, what is told is one JSON object. */
static void is_object(const struct buf *text)
{
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root;

    LAW(!text->overflowed && !json_parse(buf_text(text), text->len, &v, &e));
    root = jcur_root(v, &e);
    LAW(jcur_type(&root) == JSON_OBJ);
}

static void answer(struct str body)
{
    AUTO(buf) struct buf out = BUF_INIT((size_t)8 << 20);
    const struct err none = { 0 };
    const struct protection_heard h = {
        .task_arn = "arn", .status = 200, .body = body, .error_code = "", .e = &none
    };
    int status = protection_answer(&h, &out);

    LAW(status == 200 || status == 500);
    is_object(&out);
}

static void read_tags(struct str body)
{
    struct tag_list l = { 0 };
    struct err e = { 0 };

    if (tag_list_read(body, &l, &e))
        LAW(!l.pairs && !l.n);
    for (size_t i = 1; i < l.n; i++)
        LAW(strcmp(l.pairs[i - 1].key, l.pairs[i].key) < 0);
    tag_list_fini(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = fuzz_str(data, size);
    struct protection_wish wish = { 0 };

    if (protection_wish_read(body, &wish))
        LAW(wish.has_enabled || !wish.enabled);
    answer(body);
    read_tags(body);
    return 0;
}
