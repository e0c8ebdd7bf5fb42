#include <ctype.h>
#include <string.h>

#include "aws/internal.h"
#include "base/mem.h"
#include "base/str.h"

enum partition_id { P_AWS, P_CN, P_GOV, P_ISO, P_ISO_B, P_ISO_E, P_ISO_F, P_EUSC, P__COUNT };

static const struct partition {
    const char *name, *region_prefix, *suffix, *dual;
} partitions[P__COUNT] = {
    /* Takes what no other takes. */
    [P_AWS] = { "aws", NULL, "amazonaws.com", "api.aws" },
    [P_CN] = { "aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
    [P_GOV] = { "aws-us-gov", "us-gov-", "amazonaws.com", "api.aws" },
    [P_ISO] = { "aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov" },
    [P_ISO_B] = { "aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud" },
    [P_ISO_E] = { "aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
    [P_ISO_F] = { "aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
    [P_EUSC] = { "aws-eusc", "eusc-de-", "amazonaws.eu", "api.amazonwebservices.eu" },
};

static size_t words(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n;
}

/* ^(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+$ */
static bool is_common_region(const char *region)
{
    static const char *const areas[] = { "us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx" };
    const char *p = NULL;
    size_t n;

    for (size_t i = 0; i < COUNT_OF(areas) && !p; i++) {
        if (str_starts(region, areas[i]) && region[2] == '-')
            p = region + 3;
    }
    if (!p || (n = words(p)) == 0 || p[n] != '-')
        return false;
    p += n + 1;
    return *p && strspn(p, "0123456789") == strlen(p);
}

static enum partition_id partition_of(const char *region)
{
    /* First, as in the table: "us-iso-1" is no isolated region. */
    if (is_common_region(region))
        return P_AWS;
    for (int i = P_AWS + 1; i < P__COUNT; i++) {
        if (str_starts(region, partitions[i].region_prefix))
            return (enum partition_id)i;
    }
    return P_AWS;
}

const char *aws_partition(const char *region)
{
    return partitions[partition_of(region)].name;
}

bool aws_s3_has_fips(const char *region)
{
    static const char *const regions[] = {
        "us-east-1",     "us-east-2",     "us-west-1",    "us-west-2",
        "us-gov-east-1", "us-gov-west-1", "ca-central-1", "ca-west-1",
    };

    for (size_t i = 0; i < COUNT_OF(regions); i++) {
        if (streq(region, regions[i]))
            return true;
    }
    return false;
}

/* ---- hosts ---- */

static char *ecr(enum partition_id id, const char *region, bool fips, bool dual_stack)
{
    const struct partition *p = &partitions[id];
    bool plain = id == P_AWS || id == P_GOV;
    const char *label;

    if (fips)
        label = plain ? "ecr-fips" : "api.ecr-fips";
    else if (dual_stack)
        label = plain || id == P_CN ? "ecr" : "api.ecr";
    else
        label = "api.ecr";
    return mem_printf("https://%s.%s.%s", label, region, dual_stack ? p->dual : p->suffix);
}

static char *usual(enum partition_id id, const char *label, const char *region, bool fips,
                   bool dual_stack)
{
    const struct partition *p = &partitions[id];

    return mem_printf("https://%s%s.%s.%s", label, fips ? "-fips" : "", region,
                      dual_stack ? p->dual : p->suffix);
}

/* Of services whose ordinary hosts in GovCloud are validated ones already: there is no
 * "-fips" host beside them, unless it is a dual-stack one. */
static char *usual_but_gov(enum partition_id id, const char *label, const char *region, bool fips,
                           bool dual_stack)
{
    return usual(id, label, region, fips && (id != P_GOV || dual_stack), dual_stack);
}

char *aws_endpoint_of(enum aws_place place, const char *region, bool fips, bool dual_stack)
{
    enum partition_id id = partition_of(region);

    switch (place) {
    case AWS_ECS:
        return usual(id, "ecs", region, fips, dual_stack);
    case AWS_ECR:
        return ecr(id, region, fips, dual_stack);
    case AWS_SSM:
        return usual_but_gov(id, "ssm", region, fips, dual_stack);
    case AWS_SECRETS_MANAGER:
        /* Its ordinary hosts answer over IPv6 as well. */
        return usual(id, "secretsmanager", region, fips, false);
    case AWS_S3:
        return mem_printf("https://s3%s%s.%s.%s", fips ? "-fips" : "",
                          dual_stack ? ".dualstack" : "", region, partitions[id].suffix);
    case AWS_LOGS:
        return usual_but_gov(id, "logs", region, fips, dual_stack);
    case AWS_EC2:
        return usual_but_gov(id, "ec2", region, fips, dual_stack);
    case AWS_STS:
        break;
    }
    return usual_but_gov(id, "sts", region, fips, dual_stack);
}

/* ---- what the configuration says ---- */

static const char *const variables[] = {
    [AWS_ECS] = "AWS_ENDPOINT_URL_ECS", [AWS_ECR] = "AWS_ENDPOINT_URL_ECR",
    [AWS_SSM] = "AWS_ENDPOINT_URL_SSM", [AWS_SECRETS_MANAGER] = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    [AWS_S3] = "AWS_ENDPOINT_URL_S3",   [AWS_LOGS] = "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    [AWS_EC2] = "AWS_ENDPOINT_URL_EC2", [AWS_STS] = "AWS_ENDPOINT_URL_STS",
};

static const char *configured(const struct aws *a, enum aws_place place)
{
    const char *url;

    if (!a->env)
        return NULL;
    url = a->env(a->env_user, variables[place]);
    if (str_empty(url))
        url = a->env(a->env_user, "AWS_ENDPOINT_URL");
    return str_empty(url) ? NULL : url;
}

bool aws_endpoint_is_set(const struct aws *a, enum aws_place place)
{
    return configured(a, place) != NULL;
}

char *aws_endpoint(const struct aws *a, enum aws_place place, const char *region)
{
    const char *url = configured(a, place);
    bool fips = a->fips;

    if (url)
        return mem_strdup(url);
    if (str_empty(region))
        region = a->region;
    if (place == AWS_S3 && a->host_fips && aws_s3_has_fips(region))
        fips = true;
    return aws_endpoint_of(place, region, fips, a->dual_stack);
}
