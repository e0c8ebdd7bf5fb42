/* agent_name: who this container instance is, once more beside the database. Should that
 * be lost, the instance is still the one that the control plane knows, with the same tasks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

#define FILE_NAME "instance.json"
#define FILE_MAX  16384

static char *read_file(const char *path)
{
    struct buf b = BUF_INIT(FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!fd_read_all(fd, &b);
        close(fd);
    }
    return buf_take(&b);
}

static char *dup_if(const struct jcur *c, const char *key)
{
    const char *text = jcur_str_or(c, key, NULL);

    return str_empty(text) ? NULL : mem_strdup(text);
}

void agent_name_read(const char *dir, struct agent_name *out)
{
    AUTO(str) char *path = mem_printf("%s/" FILE_NAME, dir);
    AUTO(str) char *text = read_file(path);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    *out = (struct agent_name){ 0 };
    if (str_empty(text) || json_parse(text, strlen(text), &doc, &e))
        return;
    root = jcur_root(doc, &e);
    out->cluster = dup_if(&root, "cluster");
    out->arn = dup_if(&root, "containerInstanceArn");
    out->instance_id = dup_if(&root, "ec2InstanceId");
    if (!jcur_ok(&root) || !out->cluster || !out->arn)
        agent_name_fini(out);
}

void agent_name_fini(struct agent_name *i)
{
    free(i->cluster);
    free(i->arn);
    free(i->instance_id);
    *i = (struct agent_name){ 0 };
}

/* Whole, or as it was. */
static enum err_code replace(const char *path, struct str text, struct err *e)
{
    AUTO(str) char *fresh = mem_printf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, errno, "%s", fresh);
    if (write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) != 0)
        err_errno(e, errno ? errno : ENOSPC, "%s", fresh);
    close(fd);
    if (!e->code && rename(fresh, path) != 0)
        err_errno(e, errno, "%s", path);
    if (e->code)
        unlink(fresh);
    return e->code;
}

void agent_name_write(const char *dir, const struct agent_name *i)
{
    AUTO(str) char *path = mem_printf("%s/" FILE_NAME, dir);
    AUTO(str) char *before = read_file(path);
    AUTO(buf) struct buf b = BUF_INIT(FILE_MAX);
    struct err e = { 0 };
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "cluster", i->cluster);
    jw_kstr(&w, "containerInstanceArn", i->arn);
    jw_kstr_if(&w, "ec2InstanceId", i->instance_id);
    jw_end(&w);
    buf_putc(&b, '\n');
    if ((before && streq(before, buf_text(&b))) || !replace(path, buf_str(&b), &e))
        return;
    log_warn("the second copy of this instance's name is not saved", kv_err(&e));
}

void agent_name_remove(const char *dir)
{
    AUTO(str) char *path = mem_printf("%s/" FILE_NAME, dir);

    unlink(path);
}
