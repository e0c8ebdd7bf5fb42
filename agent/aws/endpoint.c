#include "aws/aws_call.h"

#include "base/mem.h"

/* Regions of all other names belong to the first partition. */
static const struct {
    const char *region_prefix, *suffix;
} partitions[] = {
    { "cn-", "amazonaws.com.cn" },    { "us-gov-", "amazonaws.com" },
    { "us-iso-", "c2s.ic.gov" },      { "us-isob-", "sc2s.sgov.gov" },
    { "eu-isoe-", "cloud.adc-e.uk" }, { "us-isof-", "csp.hci.ic.gov" },
    { "eusc-de-", "amazonaws.eu" },
};

char *aws_endpoint(const char *service, const char *region)
{
    const char *suffix = "amazonaws.com";

    for (size_t i = 0; i < COUNT_OF(partitions); i++) {
        if (str_starts(region, partitions[i].region_prefix))
            suffix = partitions[i].suffix;
    }
    return mem_printf("https://%s.%s.%s", service, region, suffix);
}
