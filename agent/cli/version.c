#include <curl/curl.h>
#include <jansson.h>
#include <sqlite3.h>
#include <uv.h>

#include "cli/cli.h"

static const char help[] = "usage: berth version [--json]\n\n"
                           "Prints the version and commit of Berth, the release of the ECS agent "
                           "that it\nmatches, and the libraries in use.\n";

static void as_json(const char *curl)
{
    struct buf b = BUF_INIT(4096);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "version", BERTH_VERSION);
    jw_kstr(&w, "commit", BERTH_COMMIT);
    jw_kstr(&w, "matches", CLI_REFERENCE_VERSION);
    jw_kstr(&w, "libuv", uv_version_string());
    jw_kstr(&w, "libcurl", curl);
    jw_kstr(&w, "sqlite", sqlite3_libversion());
    jw_kstr(&w, "jansson", jansson_version_str());
    jw_end(&w);
    puts(buf_text(&b));
    buf_fini(&b);
}

int cli_version(int argc, char **argv)
{
    const char *curl = curl_version_info(CURLVERSION_NOW)->version;
    bool json = false;
    const struct cli_option options[] = { { "json", &json, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    if (json) {
        as_json(curl);
        return CLI_OK;
    }
    printf("berth %s (%s), matches Amazon ECS agent %s\n", BERTH_VERSION, BERTH_COMMIT,
           CLI_REFERENCE_VERSION);
    printf("libuv %s, libcurl %s, sqlite %s, jansson %s\n", uv_version_string(), curl,
           sqlite3_libversion(), jansson_version_str());
    return CLI_OK;
}
