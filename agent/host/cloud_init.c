#include "base/json.h"
#include "host/internal.h"

#define RESULT_MAX (256 * 1024)

bool host_cloud_init_none(const char *path)
{
    AUTO(buf) struct buf text = BUF_INIT(RESULT_MAX);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, v1;

    if (host_read_file(path, &text, &e) || json_parse(buf_text(&text), text.len, &doc, &e))
        return false;
    root = jcur_root(doc, &e);
    if (!jcur_expect(&root, JSON_OBJ))
        return false;
    v1 = jcur_obj(&root, "v1");
    return streq(jcur_str_or(&v1, "datasource", ""), "DataSourceNone") && !e.code;
}
