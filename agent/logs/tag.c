/* tag: names made of a template, as the engine's log drivers make them. Of Go's templates only what
 * names a field is understood. */
#include <string.h>

#include "base/mem.h"
#include "logs/options.h"

#define SHORT_ID 12 /* of the image's too, "sha256:" included: so does the engine */

enum field { ID, FULL_ID, NAME, IMAGE_ID, IMAGE_FULL_ID, IMAGE_NAME, COMMAND, HOSTNAME, DAEMON };

static const char *const names[] = {
    [ID] = "ID",
    [FULL_ID] = "FullID",
    [NAME] = "Name",
    [IMAGE_ID] = "ImageID",
    [IMAGE_FULL_ID] = "ImageFullID",
    [IMAGE_NAME] = "ImageName",
    [COMMAND] = "Command",
    [HOSTNAME] = "Hostname",
    [DAEMON] = "DaemonName",
};

static struct str value_of(const struct log_tag *of, enum field field)
{
    const char *const values[] = {
        [ID] = of->id,
        [FULL_ID] = of->id,
        [NAME] = of->name,
        [IMAGE_ID] = of->image_id,
        [IMAGE_FULL_ID] = of->image_id,
        [IMAGE_NAME] = of->image,
        [COMMAND] = of->command,
        [HOSTNAME] = of->hostname,
        [DAEMON] = of->daemon,
    };
    struct str value = str_of(values[field] ? values[field] : "");

    if ((field == ID || field == IMAGE_ID) && value.n > SHORT_ID)
        value.n = SHORT_ID;
    return value;
}

static struct str trim_blanks(struct str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool is_field(struct str s)
{
    if (s.n < 2 || s.p[0] != '.')
        return false;
    for (size_t i = 1; i < s.n; i++) {
        char c = (char)(s.p[i] | 0x20);

        if ((c < 'a' || c > 'z') && s.p[i] != '_' && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    }
    return true;
}

static enum err_code put_field(const char *tag, struct str action, const struct log_tag *of,
                               struct buf *out, struct err *e)
{
    struct str field = trim_blanks(action);

    if (!field.n)
        return err_set(e, ERR_INVALID, "template: log-tag:1: missing value for command");
    if (!is_field(field))
        return err_set(e, ERR_INVALID,
                       "template: log-tag:1: '%.*s' is not understood, only fields such as "
                       "{{.Name}} are",
                       (int)str_utf8_prefix(action.p, action.n, 80), action.p);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_is((struct str){ field.p + 1, field.n - 1 }, names[i])) {
            struct str value = value_of(of, (enum field)i);

            buf_append(out, value.p, value.n);
            return ERR_OK;
        }
    }
    field.n = field.n > 80 ? 80 : field.n;
    return err_set(e, ERR_INVALID,
                   "template: log-tag:1:%zu: executing \"log-tag\" at <%.*s>: can't evaluate field "
                   "%.*s in type *logger.Info",
                   (size_t)(field.p - tag), (int)field.n, field.p, (int)field.n - 1, field.p + 1);
}

enum err_code log_tag_expand(const char *tag, const struct log_tag *of, struct buf *out,
                             struct err *e)
{
    for (const char *p = tag; *p;) {
        const char *open = strstr(p, "{{"), *close;

        if (!open) {
            buf_puts(out, p);
            break;
        }
        buf_append(out, p, (size_t)(open - p));
        open += 2;
        close = strstr(open, "}}");
        if (!close)
            return err_set(e, ERR_INVALID, "template: log-tag:1: unclosed action");
        if (put_field(tag, (struct str){ open, (size_t)(close - open) }, of, out, e))
            return e->code;
        p = close + 2;
    }
    return ERR_OK;
}
