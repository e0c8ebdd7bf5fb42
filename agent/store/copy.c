/* copy: what can be read of a database whose directory cannot be written.
 *
 * SQLite reads a database with a log only where it may write. So both files are copied to
 * where that is possible, opened there, and taken into memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

static const char *const suffixes[] = { "", "-wal" };

static enum err_code copy_file(const char *from, const char *to, struct err *e)
{
    char block[65536];
    ssize_t n = 0;
    int in = open(from, O_RDONLY | O_CLOEXEC), out;

    if (in < 0 && errno == ENOENT)
        return ERR_OK;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    while (in >= 0 && out >= 0 && (n = read(in, block, sizeof block)) > 0)
        if (write(out, block, (size_t)n) != n)
            n = -1;
    if (in < 0 || out < 0 || n < 0)
        err_errno(e, errno ? errno : ENOSPC, "copy %s", from);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return e->code;
}

void copy_drop(char *tmp)
{
    if (!tmp)
        return;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        AUTO(str) char *path = mem_printf("%s/" DB_NAME "%s", tmp, suffixes[i]);

        unlink(path);
    }
    rmdir(tmp);
    free(tmp);
}

char *copy_files(const char *dir, struct err *e)
{
    static const char *const places[] = { "/run", "/dev/shm", "/tmp" };
    char *tmp = NULL;

    for (size_t i = 0; i < COUNT_OF(places) && !tmp; i++) {
        tmp = mem_printf("%s/berth-XXXXXX", places[i]);
        if (mkdtemp(tmp))
            break;
        free(tmp);
        tmp = NULL;
    }
    if (!tmp) {
        err_errno(e, errno, "a place for a copy");
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(suffixes) && !e->code; i++) {
        AUTO(str) char *from = mem_printf("%s/" DB_NAME "%s", dir, suffixes[i]);
        AUTO(str) char *to = mem_printf("%s/" DB_NAME "%s", tmp, suffixes[i]);

        copy_file(from, to, e);
    }
    if (!e->code)
        return tmp;
    copy_drop(tmp);
    return NULL;
}

enum err_code copy_to_memory(sqlite3 *from, sqlite3 **out, struct err *e)
{
    sqlite3 *mem = NULL;
    sqlite3_backup *b = NULL;
    int rc =
        sqlite3_open_v2(":memory:", &mem,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (!rc && from) {
        b = sqlite3_backup_init(mem, "main", from, "main");
        rc = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(mem);
        if (sqlite3_backup_finish(b) || rc != SQLITE_DONE)
            rc = rc == SQLITE_DONE ? SQLITE_IOERR : rc;
        else
            rc = SQLITE_OK;
    }
    if (!rc && !from && schema_migrate(mem, 0, e))
        rc = SQLITE_ERROR;
    if (rc) {
        if (!e->code)
            err_set(e, ERR_IO, "a copy in memory: %s", sqlite3_errstr(rc));
        sqlite3_close(mem);
        return e->code;
    }
    *out = mem;
    return ERR_OK;
}
