#pragma once
/* metadata_peer: an instance metadata service on a scripted peer. Include it after
 * control_world.h. */

struct metadata {
    const char *path; /* behind /latest/ */
    int status;
    const char *text;
};

/* One request of a client that may ask in any order: hands out a token, answers from the
 * table, else with 404. Returns the path (behind "/latest/"), kept until the next one. */
static UNUSED const char *serve_metadata_once(struct peer *p, const struct metadata *rows, size_t n)
{
    static _Thread_local char path[256];
    const struct metadata *row = NULL;
    const char *head;

    peer_accept(p);
    head = peer_head(p);
    path[0] = '\0';
    if (sscanf(head, "GET /latest/%255s HTTP/1.1", path) != 1) {
        if (!strstr(head, "PUT /latest/api/token HTTP/1.1"))
            peer_fail(p, "not asked of a metadata service: %s", head);
        answer(p, 200, "x-aws-ec2-metadata-token-ttl-seconds: 300\r\n", "TOKEN");
        return path;
    }
    if (!strstr(head, ": TOKEN"))
        peer_fail(p, "asked without the token: %s", head);
    for (size_t i = 0; i < n; i++) {
        if (streq(rows[i].path, path))
            row = &rows[i];
    }
    answer(p, row ? row->status : 404, "", row ? row->text : "");
    return path;
}

static UNUSED void serve_metadata(struct peer *p, const struct metadata *rows, size_t n, int times)
{
    for (int i = 0; i < times; i++)
        (void)serve_metadata_once(p, rows, n);
}

/* What registration asks of an instance: a token, its id, document, signature, zone id, MAC,
 * VPC, subnet, outpost. */
#define IDENTITY_REQUESTS 9
