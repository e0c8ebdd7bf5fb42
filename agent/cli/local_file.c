/* local_file: one task definition in a file of this machine. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/local_dir.h"

#define RUN_ARN_MAX 4096

/* Two sums that mix differently: enough to tell one content from another, where nobody
 * gains from two that look the same. */
static void digest_of(struct str text, char out[LOCAL_DIGEST_SIZE])
{
    uint64_t sums[2] = { 0xcbf29ce484222325, 0x9e3779b97f4a7c15 ^ text.n };
    unsigned char bytes[sizeof sums];

    for (size_t i = 0; i < text.n; i++) {
        sums[0] = (sums[0] ^ (unsigned char)text.p[i]) * 0x100000001b3;
        sums[1] = (sums[1] + (unsigned char)text.p[i] + 1) * 0xbf58476d1ce4e5b9;
        sums[1] ^= sums[1] >> 29;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(sums[i / 8] >> (56 - 8 * (i % 8)));
    str_hex(bytes, sizeof bytes, out);
}

static enum err_code read_open(int fd, struct buf *b, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st))
        return err_errno(e, errno, "it cannot be read");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "it is not a regular file");
    if (fd_read_all(fd, b))
        return ERR_OK;
    return errno == EFBIG ? err_set(e, ERR_LIMIT, "it is larger than %zu bytes", b->max)
                          : err_errno(e, errno, "it cannot be read");
}

/* Each run has an ARN of its own, for which there must be room. */
static enum err_code check_size(struct task **t, struct err *e)
{
    if (strlen((*t)->json) <= TASK_MAX_JSON - RUN_ARN_MAX)
        return ERR_OK;
    task_destroy(*t);
    *t = NULL;
    return err_set(e, ERR_LIMIT, "the task is larger than %d bytes", TASK_MAX_JSON - RUN_ARN_MAX);
}

enum err_code local_file_read(const char *path, const char *arn, const char *name,
                              struct task **out, char digest[LOCAL_DIGEST_SIZE], bool *has_role,
                              struct err *e)
{
    AUTO(buf) struct buf b = BUF_INIT(LOCAL_DIR_MAX_BYTES);
    AUTO(json) struct json_t *v = NULL;
    struct task *t = NULL;
    struct err why = { 0 };
    /* Not blocking: a pipe with that name must not hold up everything. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return err_errno(e, errno, "it cannot be opened");
    if (!read_open(fd, &b, &why) && !json_parse(b.data, b.len, &v, &why) &&
        !task_from_definition(v, arn, name, &t, &why) && !check_size(&t, &why)) {
        *out = t;
        digest_of(buf_str(&b), digest);
        *has_role = task_definition_has_role(v);
    }
    close(fd);
    return why.code ? err_set(e, why.code, "%s", why.msg) : ERR_OK;
}
