/* links: io */
/* The agent's side of the service manager's protocol, against a real socket. */
#include "io/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/sealed.h"
#include "support/check.h"

struct peer {
    int fd, got; /* a descriptor that came with the last message, or -1 */
    char text[256], name[108];
};

static void listen_as(struct peer *p, bool abstract)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n;

    snprintf(p->name, sizeof p->name, "%sberth-test-%d", abstract ? "@" : "/tmp/", getpid());
    n = strlen(p->name);
    memcpy(at.sun_path, p->name, n);
    if (abstract)
        at.sun_path[0] = '\0';
    p->got = -1;
    p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    setenv("NOTIFY_SOCKET", p->name, 1);
}

static void hear(struct peer *p)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec bytes = { p->text, sizeof p->text - 1 };
    struct msghdr msg = { .msg_iov = &bytes,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control.room };
    ssize_t n = recvmsg(p->fd, &msg, MSG_DONTWAIT);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    assert_true(n >= 0);
    p->text[n] = '\0';
    if (p->got >= 0)
        close(p->got);
    p->got = -1;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&p->got, CMSG_DATA(c), sizeof p->got);
}

static void end(struct peer *p)
{
    close(p->fd);
    if (p->got >= 0)
        close(p->got);
    if (*p->name == '/')
        unlink(p->name);
}

static void talk(bool abstract)
{
    struct peer p;
    struct service_manager *m;
    struct stat sent, got;
    struct err e = { 0 };
    int fd;

    listen_as(&p, abstract);
    m = service_manager_create();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_true(service_manager_there(m));
    assert_int_equal(service_manager_tell(m, "READY=1\nSTATUS=running", &e), ERR_OK);
    hear(&p);
    assert_string_equal(p.text, "READY=1\nSTATUS=running");
    assert_int_equal(p.got, -1);
    assert_int_equal(service_manager_tell_reloading(m, &e), ERR_OK);
    hear(&p);
    assert_int_equal(strncmp(p.text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_true(strtoll(p.text + 27, NULL, 10) > 0);

    fd = memfd_create("x", MFD_CLOEXEC);
    assert_int_equal(service_manager_keep(m, "berth-x", fd, &e), ERR_OK);
    assert_int_equal(service_manager_kept(m), 1);
    hear(&p);
    assert_string_equal(p.text, "FDSTORE=1\nFDNAME=berth-x\nFDPOLL=0");
    assert_true(p.got >= 0 && p.got != fd);
    fstat(fd, &sent);
    fstat(p.got, &got);
    assert_int_equal(sent.st_ino, got.st_ino);
    close(fd);
    assert_int_equal(service_manager_forget(m, "berth-x", &e), ERR_OK);
    assert_int_equal(service_manager_kept(m), 0);
    hear(&p);
    assert_string_equal(p.text, "FDSTOREREMOVE=1\nFDNAME=berth-x");

    end(&p);
    if (!abstract)
        assert_int_equal(service_manager_tell(m, "READY=1", &e), ERR_NOT_FOUND);
    service_manager_destroy(m);
}

static void test_a_path(void **state)
{
    (void)state;
    talk(false);
}

static void test_an_abstract_name(void **state)
{
    (void)state;
    talk(true);
}

static void test_nobody_is_there(void **state)
{
    static const char *const addresses[] = { NULL, "", "@", "relative", "vsock:2:1" };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct service_manager *m;

        if (addresses[i])
            setenv("NOTIFY_SOCKET", addresses[i], 1);
        m = service_manager_create();
        assert_false(service_manager_there(m));
        assert_int_equal(service_manager_tell(m, "READY=1", &e), ERR_OK);
        assert_int_equal(service_manager_keep(m, "x", 0, &e), ERR_OK);
        assert_int_equal(service_manager_forget(m, "x", &e), ERR_OK);
        assert_int_equal(service_manager_kept(m), 0);
        service_manager_destroy(m);
    }
    service_manager_destroy(NULL);
}

/* A manager that does not read must not stop the agent. */
static void test_it_does_not_read(void **state)
{
    struct peer p;
    struct service_manager *m;
    struct err e = { 0 };
    int i;

    (void)state;
    listen_as(&p, true);
    m = service_manager_create();
    for (i = 0; i < 100000 && !service_manager_tell(m, "STATUS=again", &e); i++)
        ;
    assert_true(i > 0 && i < 100000);
    end(&p);
    service_manager_destroy(m);
}

/* ---- what is passed on ---- */

#define REQUIRE(condition)         \
    do {                           \
        if (!(condition))          \
            _exit(__LINE__ % 256); \
    } while (0)

/* In a process of its own, whose descriptors 3 to 5 are what a manager passes on. */
static void taken(void)
{
    struct service_manager *m;
    int a = memfd_create("a", 0), b = memfd_create("b", 0), c = memfd_create("c", 0), fd;
    char pid[24];

    REQUIRE(dup2(a, 103) == 103 && dup2(b, 104) == 104 && dup2(c, 105) == 105);
    REQUIRE(dup2(103, 3) == 3 && dup2(104, 4) == 4 && dup2(105, 5) == 5);
    REQUIRE(!close_range(6, ~0U, 0));
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "9", 1); /* more than there are */
    setenv("LISTEN_FDNAMES", "one:two", 1);
    m = service_manager_create();
    REQUIRE(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
    REQUIRE(service_manager_kept(m) == 3);
    REQUIRE(streq(service_manager_name(m, 0), "one"));
    REQUIRE(streq(service_manager_name(m, 2), "unknown"));
    REQUIRE(!service_manager_name(m, 3));
    for (fd = 3; fd < 6; fd++)
        REQUIRE(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    REQUIRE(service_manager_fd(m, 1) == 4 && service_manager_take(m, 0) == 3);
    REQUIRE(streq(service_manager_name(m, 0), "two") && service_manager_take(m, 0) == 4);
    service_manager_destroy(m);
    REQUIRE(fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) >= 0);
    REQUIRE(fcntl(5, F_GETFD) < 0 && errno == EBADF);
    close(3);
    close(4);
    _exit(0);
}

static void test_what_is_passed_on(void **state)
{
    pid_t pid = fork();
    int status = -1;

    (void)state;
    if (!pid)
        taken();
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- sealed memory ---- */

static void fill(void *user, void *to, size_t n)
{
    memcpy(to, user, n);
}

static enum err_code is_abc(void *user, const void *data, size_t n, struct err *e)
{
    ++*(int *)user;
    return n == 3 && memcmp(data, "abc", 3) == 0 ? ERR_OK : err_set(e, ERR_CONFLICT, "not abc");
}

static void test_sealed_memory(void **state)
{
    struct err e = { 0 };
    int fd = -1, reads = 0;
    char abc[] = "abc";

    (void)state;
    assert_int_equal(sealed_create("test", 3, fill, abc, &fd, &e), ERR_OK);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(ftruncate(fd, 9), -1);
    assert_ptr_equal(mmap(NULL, 3, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(sealed_read(fd, 3, is_abc, &reads, &e), ERR_OK);
    assert_int_equal(sealed_read(fd, 3, is_abc, &reads, &e), ERR_OK);
    assert_int_equal(sealed_read(fd, 2, is_abc, &reads, &e), ERR_LIMIT);
    assert_int_equal(reads, 2);
    close(fd);
    assert_int_equal(sealed_create("test", 0, fill, abc, &fd, &e), ERR_OK);
    assert_int_equal(sealed_read(fd, 3, is_abc, &reads, &e), ERR_CONFLICT);
    close(fd);
}

static void test_what_is_not_sealed_is_not_read(void **state)
{
    struct err e = { 0 };
    int fds[] = { memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING), open("/dev/null", O_RDONLY),
                  -1 };
    int reads = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        assert_int_equal(sealed_read(fds[i], 3, is_abc, &reads, &e), ERR_INVALID);
        if (fds[i] >= 0)
            close(fds[i]);
    }
    assert_int_equal(reads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path),
        cmocka_unit_test(test_an_abstract_name),
        cmocka_unit_test(test_nobody_is_there),
        cmocka_unit_test(test_it_does_not_read),
        cmocka_unit_test(test_what_is_passed_on),
        cmocka_unit_test(test_sealed_memory),
        cmocka_unit_test(test_what_is_not_sealed_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
