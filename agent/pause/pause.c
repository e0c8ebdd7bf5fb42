/* The whole image of the container that lends its namespaces to a task's others.
 * It is process 1 of what they share: it waits, and reaps whoever ends there. */
#include <signal.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t wanted;
    int got;

    /* The kernel drops what would end process 1, but not a signal that is blocked
     * and so may still be asked for. */
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &wanted, NULL))
        return 1;
    for (;;) {
        got = sigwaitinfo(&wanted, NULL);
        if (got == SIGTERM || got == SIGINT)
            return 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
