#include <inttypes.h>
#include <sys/wait.h>

#include "base/str.h"
#include "host/internal.h"
#include "io/child.h"

#define SAYS_MAX 16384

enum err_code host_run(const char *const *argv, int64_t timeout_ms, int *status, struct buf *out,
                       struct err *e)
{
    AUTO(buf) struct buf says = BUF_INIT(SAYS_MAX);
    const struct child_args args = {
        .argv = argv, .errors = true, .timeout_ms = timeout_ms, .cancel_fd = -1, .out = &says
    };
    enum err_code code;
    int ended;

    code = child_run(&args, &ended, e);
    if (code == ERR_TIMEOUT)
        return err_set(e, code, "%s %s: no end after %" PRId64 " ms", argv[0],
                       argv[1] ? argv[1] : "", timeout_ms);
    if (code)
        return code;
    if (out)
        buf_append(out, buf_text(&says), says.len);
    *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    return ERR_OK;
}

enum err_code host_run_well(const char *const *argv, int64_t timeout_ms, struct err *e)
{
    AUTO(buf) struct buf says = BUF_INIT(SAYS_MAX);
    struct str said;
    enum err_code code;
    int status;

    code = host_run(argv, timeout_ms, &status, &says, e);
    if (code || !status)
        return code;
    said = str_trim(buf_str(&says));
    return err_set(e, ERR_IO, "%s %s: exit code %d: %.*s", argv[0], argv[1] ? argv[1] : "", status,
                   (int)said.n, said.n ? said.p : "");
}
