#include "fuzz/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

/* libFuzzer does not always come to an exit, so each process has one of its own. */
static char folder[40];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (*folder)
        return folder;
    snprintf(folder, sizeof folder, "%s/berth-fuzz.XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    LAW(mkdtemp(folder));
    atexit(remove_folder);
    return folder;
}

void fuzz_folder_empty(void)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;

    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        closedir(d);
}
