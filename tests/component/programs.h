#pragma once
/* programs: a program that a test starts, waits for and ends. Include it in one file of a
 * program, after cmocka. It dies with the test. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/defs.h"

struct program {
    pid_t pid;  /* 0: not running */
    FILE *says; /* both of its outputs */
    pthread_t drain;
};

static UNUSED bool program_exists(const char *name)
{
    const char *path = getenv("PATH");
    char at[4096];

    for (; path && *path; path += strspn(path, ":")) {
        int n = (int)strcspn(path, ":");

        snprintf(at, sizeof at, "%.*s/%s", n, path, name);
        if (access(at, X_OK) == 0)
            return true;
        path += n;
    }
    return false;
}

/* A full pipe would stop the program. */
static UNUSED void *program_drain(void *arg)
{
    char line[4096];

    while (fgets(line, sizeof line, arg))
        ;
    return NULL;
}

/* Waits for a line with `ready`, which stays in `line`; false when the program ends
 * without it. */
static UNUSED bool program_start(struct program *p, const char *const *argv, const char *ready,
                                 char *line, int n)
{
    int ends[2];

    *p = (struct program){ 0 };
    if (pipe(ends))
        return false;
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(ends[1]);
    p->says = fdopen(ends[0], "r");
    while (p->pid > 0 && p->says && fgets(line, n, p->says))
        if (strstr(line, ready) && pthread_create(&p->drain, NULL, program_drain, p->says) == 0)
            return true;
    if (p->says)
        fclose(p->says);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    p->pid = 0;
    return false;
}

static UNUSED void program_stop(struct program *p)
{
    if (p->pid <= 0)
        return;
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    pthread_join(p->drain, NULL);
    fclose(p->says);
    p->pid = 0;
}
