/* berth-local: an ECS-compatible control plane for one machine. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "server.h"

#define FILE_MAX (1024 * 1024)

struct settings {
    struct cp_options options;
    const char *port_file, *state_file, *log_file, *key_id, *secret_file, *keys_file;
    bool verbose;
};

static const char help[] =
    "usage: berth-local [options]\n"
    "An ECS-compatible control plane on 127.0.0.1, for one machine.\n"
    "\n"
    "  --port N               listen on this port (0 or none: a free one)\n"
    "  --port-file FILE       write the port there once listening\n"
    "  --region NAME          us-west-2\n"
    "  --account ID           123456789012\n"
    "  --access-key ID        the key to accept (AWS_ACCESS_KEY_ID, else AKIDEXAMPLE)\n"
    "  --secret-key-file FILE its secret (AWS_SECRET_ACCESS_KEY, else secretexample)\n"
    "  --keys FILE            more keys: {\"id\":\"secret\"} or "
    "{\"id\":{\"secret\":..,\"token\":..}}\n"
    "  --state FILE           keep clusters, task definitions and tasks there\n"
    "  --metadata             serve instance metadata under /latest/\n"
    "  --public-url URL       announce this address instead of http://127.0.0.1:N\n"
    "  --log FILE             append the log there instead of standard error\n"
    "  --verbose              log every request\n"
    "  --help, --version\n"
    "\n"
    "Serves ECS, ACS, TCS and CloudWatch Logs; ECR, SSM, Secrets Manager, S3, STS and\n"
    "EC2 DescribeTags as far as an agent needs them, with what /_local/cloud was given.\n"
    "\n"
    "Admin paths, unsigned, under /_local/:\n"
    "  health requests violations telemetry logs tasks agent-messages  what happened\n"
    "  faults drop-websockets clock expire-keys                       trouble\n"
    "  payload refresh-credentials                                    to an agent\n"
    "  cloud cloud/calls                                              the other services\n"
    "  metadata metadata-mode metadata-log                            instance metadata\n";

static enum err_code read_file(const char *path, struct buf *out, struct err *e)
{
    FILE *f = fopen(path, "re");
    char chunk[4096];
    size_t n;

    if (!f)
        return err_errno(e, errno, "%s", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(out, chunk, n);
    explicit_bzero(chunk, sizeof chunk);
    fclose(f);
    return out->overflowed ? err_set(e, ERR_LIMIT, "%s is too large", path) : ERR_OK;
}

static enum err_code load_keys(struct cp_server *s, const struct settings *set, struct err *e)
{
    const char *id = set->key_id ? set->key_id : getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY"), *token = getenv("AWS_SESSION_TOKEN");
    struct buf text = BUF_INIT(FILE_MAX);
    enum err_code code = ERR_OK;

    if (set->secret_file && !(code = read_file(set->secret_file, &text, e))) {
        while (text.len && strchr("\r\n", text.data[text.len - 1]))
            text.data[--text.len] = '\0';
        secret = buf_text(&text);
    }
    if (str_empty(id))
        id = "AKIDEXAMPLE";
    if (strlen(id) >= AUTH_KEY_SIZE - 1)
        code = err_set(e, ERR_INVALID, "--access-key: longer than 128 characters");
    if (!code)
        auth_keys_set(cp_server_keys(s), id, str_empty(secret) ? "secretexample" : secret,
                      str_empty(token) ? NULL : token);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_reset(&text);
    if (!code && set->keys_file && !(code = read_file(set->keys_file, &text, e)) &&
        (code = auth_keys_load(cp_server_keys(s), buf_str(&text), e)))
        err_wrap(e, "%s", set->keys_file);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_fini(&text);
    return code;
}

/* A reader finds the whole number or no file at all. */
static enum err_code write_port(const char *path, int port, struct err *e)
{
    AUTO(str) char *temp = mem_printf("%s.new", path);
    FILE *f = fopen(temp, "we");

    if (!f)
        return err_errno(e, errno, "%s", temp);
    fprintf(f, "%d\n", port);
    if (fclose(f) || rename(temp, path))
        return err_errno(e, errno, "%s", path);
    return ERR_OK;
}

static enum err_code run(const struct settings *set, struct err *e)
{
    struct cp_server *s = NULL;

    log_set_level(set->log_file ? LOG_OFF : set->verbose ? LOG_DEBUG : LOG_INFO);
    log_set_file_level(set->verbose ? LOG_DEBUG : LOG_INFO);
    if (log_open(set->log_file, NULL, e) || cp_server_create(&set->options, &s, e))
        return e->code;
    cp_logs_add(s);
    cp_tcs_add(s);
    cp_standins_add(s);
    cp_metadata_add(s);
    cp_admin_add(s);
    if (!load_keys(s, set, e) && !cp_ecs_add(s, set->state_file, e) &&
        !(set->port_file && write_port(set->port_file, cp_server_port(s), e))) {
        printf("%s\n", cp_server_url(s));
        fflush(stdout);
        log_info("listening", kv_s("url", cp_server_url(s)));
    } else {
        cp_server_stop(s);
    }
    /* Also when something failed: it runs the exit functions of the parts. */
    cp_server_run(s);
    cp_server_destroy(s);
    return e->code;
}

int main(int argc, char **argv)
{
    enum {
        PORT = 1,
        PORT_FILE,
        REGION,
        ACCOUNT,
        ACCESS_KEY,
        SECRET_FILE,
        KEYS,
        STATE,
        LOG,
        METADATA,
        PUBLIC_URL,
        VERBOSE,
        HELP,
        VERSION
    };
    static const struct option options[] = {
        { "port", required_argument, NULL, PORT },
        { "port-file", required_argument, NULL, PORT_FILE },
        { "region", required_argument, NULL, REGION },
        { "account", required_argument, NULL, ACCOUNT },
        { "access-key", required_argument, NULL, ACCESS_KEY },
        { "secret-key-file", required_argument, NULL, SECRET_FILE },
        { "keys", required_argument, NULL, KEYS },
        { "state", required_argument, NULL, STATE },
        { "log", required_argument, NULL, LOG },
        { "metadata", no_argument, NULL, METADATA },
        { "public-url", required_argument, NULL, PUBLIC_URL },
        { "verbose", no_argument, NULL, VERBOSE },
        { "help", no_argument, NULL, HELP },
        { "version", no_argument, NULL, VERSION },
        { 0 },
    };
    struct settings set = { .options = { .region = "us-west-2", .account = "123456789012" } };
    struct err e = { 0 };
    int64_t port;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case PORT:
            if (str_to_int(optarg, 0, 65535, &port, &e)) {
                fprintf(stderr, "berth-local: --port: %s\n", e.msg);
                return 2;
            }
            set.options.port = (int)port;
            break;
        case PORT_FILE:
            set.port_file = optarg;
            break;
        case REGION:
            set.options.region = optarg;
            break;
        case ACCOUNT:
            set.options.account = optarg;
            break;
        case ACCESS_KEY:
            set.key_id = optarg;
            break;
        case SECRET_FILE:
            set.secret_file = optarg;
            break;
        case KEYS:
            set.keys_file = optarg;
            break;
        case STATE:
            set.state_file = optarg;
            break;
        case LOG:
            set.log_file = optarg;
            break;
        case METADATA:
            set.options.metadata = true;
            break;
        case PUBLIC_URL:
            set.options.public_url = optarg;
            break;
        case VERBOSE:
            set.verbose = true;
            break;
        case HELP:
            fputs(help, stdout);
            return 0;
        case VERSION:
            printf("berth-local %s\n", BERTH_VERSION);
            return 0;
        default:
            fputs(help, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "berth-local: unexpected argument '%s'\n", argv[optind]);
        return 2;
    }
    if (run(&set, &e)) {
        fprintf(stderr, "berth-local: %s\n", e.msg);
        return 1;
    }
    return 0;
}
