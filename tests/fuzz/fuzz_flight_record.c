/* links: cli */
/* A flight record as somebody sent it, given to `berth replay`: its first line is a core's state,
 * the others are events. The first byte says for whom it prints. */
#include <sys/mman.h>

#include "cli/cli.h"
#include "fuzz/printed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char command[] = "replay", json[] = "--json";
    AUTO(str) char *path = NULL;
    struct printed printed = { 0 };
    char *argv[4] = { command };
    int fd, argc = 1;

    if (!size)
        return 0;
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    LAW(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)size - 1);
    path = mem_printf("/proc/self/fd/%d", fd);
    if (data[0] == 'j')
        argv[argc++] = json;
    argv[argc++] = path;
    printed_begin(&printed);
    cli_replay(argc, argv);
    if (data[0] == 'j')
        printed_drop(&printed); /* for programs: the record's own JSON, as it is */
    else
        printed_end(&printed);
    close(fd);
    return 0;
}
