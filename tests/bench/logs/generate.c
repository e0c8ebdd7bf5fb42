/* generate: numbered lines on standard output, as fast as they are taken or paced.
 *
 *     generate FOLDER LINES BYTES BATCH RATE [FIRST]
 *
 * Waits until FOLDER/go exists, writes LINES lines of BYTES characters, newline included, BATCH
 * in one write, at most RATE lines a second (0: as fast as possible), and stays until FOLDER/end
 * exists: so everything that runs the container is still there to be measured. "-" as FOLDER waits
 * for nothing. A line is its number, ten digits from FIRST (0) on, a space and letters. Static: it
 * runs in an image of its own. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIGITS    10
#define LINE_MAX_ ((long)4 << 20)
#define POLL_MS   5
#define LATE_NS   100000000

static void wait_for(const char *folder, const char *name)
{
    char path[512];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    while (strcmp(folder, "-") != 0 && stat(path, &st))
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
}

static long number(const char *text, long least, long most)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (*end || n < least || n > most) {
        fprintf(stderr, "generate: %s is not in %ld..%ld\n", text, least, most);
        exit(2);
    }
    return n;
}

static void write_all(const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(STDOUT_FILENO, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            exit(1);
        p += done;
        n -= (size_t)done;
    }
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Until so long after `*began`; who was held up meanwhile does not hurry to make up for it. */
static void pause_until(int64_t *began, int64_t after_ns)
{
    int64_t left = *began + after_ns - now_ns();

    if (left > 0)
        nanosleep(&(struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 },
                  NULL);
    else if (left < -LATE_NS)
        *began -= left;
}

/* "0000000012 abcdef...": the digits alone differ from line to line. */
static void set_number(char *line, long n)
{
    for (int i = DIGITS - 1; i >= 0; i--, n /= 10)
        line[i] = (char)('0' + n % 10);
}

int main(int argc, char **argv)
{
    long lines, bytes, batch, rate, first;
    int64_t began;
    char *text;

    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: generate FOLDER LINES BYTES BATCH RATE [FIRST]\n");
        return 2;
    }
    lines = number(argv[2], 0, 200000000);
    bytes = number(argv[3], DIGITS + 2, LINE_MAX_);
    batch = number(argv[4], 1, 10000);
    rate = number(argv[5], 0, 100000000);
    first = argc == 7 ? number(argv[6], 0, 200000000) : 0;
    text = malloc((size_t)(bytes * batch));
    if (!text)
        return 1;
    for (long i = 0; i < bytes * batch; i++)
        text[i] = (char)(i % bytes == DIGITS      ? ' '
                         : i % bytes == bytes - 1 ? '\n'
                                                  : 'a' + (i % bytes) % 26);
    wait_for(argv[1], "go");
    began = now_ns();
    for (long at = 0; at < lines; at += batch) {
        long n = lines - at < batch ? lines - at : batch;

        for (long i = 0; i < n; i++)
            set_number(text + i * bytes, first + at + i);
        if (rate)
            pause_until(&began, (int64_t)((double)at / (double)rate * 1e9));
        write_all(text, (size_t)(n * bytes));
    }
    free(text);
    wait_for(argv[1], "end");
    return 0;
}
