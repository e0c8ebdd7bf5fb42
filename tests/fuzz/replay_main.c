/* replay_main: runs a target over every file given, and over every file of every
 * folder given, so that each input of the corpus is a test without a fuzzing
 * engine. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define INPUT_MAX ((size_t)4 << 20)

static size_t n_inputs;

static bool run_file(const char *path)
{
    struct buf text = BUF_INIT(INPUT_MAX);
    FILE *f = fopen(path, "rb");
    uint8_t *exact;
    bool good = f != NULL;
    size_t n;

    while (good) {
        char *at = buf_reserve(&text, 4096);

        good = at != NULL;
        n = good ? fread(at, 1, 4096, f) : 0;
        buf_grew(&text, n);
        if (!n)
            break;
    }
    good = good && !ferror(f);
    if (f)
        fclose(f);
    if (good) {
        /* A copy without the NUL behind it: reading past the end is an error. */
        exact = malloc(text.len ? text.len : 1);
        if (!exact)
            abort();
        if (text.len)
            memcpy(exact, text.data, text.len);
        fprintf(stderr, "%s (%zu bytes)\n", path, text.len);
        LLVMFuzzerTestOneInput(exact, text.len);
        n_inputs++;
        free(exact);
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    buf_fini(&text);
    return good;
}

static bool run_folder(const char *path, DIR *folder)
{
    struct dirent *entry;
    bool good = true;

    while (good && (entry = readdir(folder))) {
        AUTO(str) char *file = mem_printf("%s/%s", path, entry->d_name);

        if (entry->d_name[0] != '.')
            good = run_file(file);
    }
    closedir(folder);
    return good;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (folder ? !run_folder(argv[i], folder) : !run_file(argv[i]))
            return 1;
    }
    printf("%zu inputs\n", n_inputs);
    return n_inputs ? 0 : 1;
}
