/* Where the services are, in every partition. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { PLAIN, DUAL, FIPS, BOTH, KINDS };

static const struct {
    enum aws_place place;
    const char *region;
    const char *host[KINDS];
} table[] = {
    { AWS_ECS,
      "us-west-2",
      { "ecs.us-west-2.amazonaws.com", "ecs.us-west-2.api.aws", "ecs-fips.us-west-2.amazonaws.com",
        "ecs-fips.us-west-2.api.aws" } },
    { AWS_ECR,
      "us-west-2",
      { "api.ecr.us-west-2.amazonaws.com", "ecr.us-west-2.api.aws",
        "ecr-fips.us-west-2.amazonaws.com", "ecr-fips.us-west-2.api.aws" } },
    { AWS_SSM,
      "us-west-2",
      { "ssm.us-west-2.amazonaws.com", "ssm.us-west-2.api.aws", "ssm-fips.us-west-2.amazonaws.com",
        "ssm-fips.us-west-2.api.aws" } },
    { AWS_SECRETS_MANAGER,
      "us-west-2",
      { "secretsmanager.us-west-2.amazonaws.com", "secretsmanager.us-west-2.amazonaws.com",
        "secretsmanager-fips.us-west-2.amazonaws.com",
        "secretsmanager-fips.us-west-2.amazonaws.com" } },
    { AWS_S3,
      "us-west-2",
      { "s3.us-west-2.amazonaws.com", "s3.dualstack.us-west-2.amazonaws.com",
        "s3-fips.us-west-2.amazonaws.com", "s3-fips.dualstack.us-west-2.amazonaws.com" } },
    { AWS_LOGS,
      "us-west-2",
      { "logs.us-west-2.amazonaws.com", "logs.us-west-2.api.aws",
        "logs-fips.us-west-2.amazonaws.com", "logs-fips.us-west-2.api.aws" } },
    { AWS_EC2,
      "us-west-2",
      { "ec2.us-west-2.amazonaws.com", "ec2.us-west-2.api.aws", "ec2-fips.us-west-2.amazonaws.com",
        "ec2-fips.us-west-2.api.aws" } },
    { AWS_STS,
      "us-west-2",
      { "sts.us-west-2.amazonaws.com", "sts.us-west-2.api.aws", "sts-fips.us-west-2.amazonaws.com",
        "sts-fips.us-west-2.api.aws" } },
    { AWS_ECS,
      "mx-central-1",
      { "ecs.mx-central-1.amazonaws.com", "ecs.mx-central-1.api.aws",
        "ecs-fips.mx-central-1.amazonaws.com", "ecs-fips.mx-central-1.api.aws" } },
    { AWS_ECS,
      "moon-base-1",
      { "ecs.moon-base-1.amazonaws.com", "ecs.moon-base-1.api.aws",
        "ecs-fips.moon-base-1.amazonaws.com", "ecs-fips.moon-base-1.api.aws" } },
    { AWS_ECS,
      "cn-north-1",
      { "ecs.cn-north-1.amazonaws.com.cn", "ecs.cn-north-1.api.amazonwebservices.com.cn",
        "ecs-fips.cn-north-1.amazonaws.com.cn",
        "ecs-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_ECR,
      "cn-north-1",
      { "api.ecr.cn-north-1.amazonaws.com.cn", "ecr.cn-north-1.api.amazonwebservices.com.cn",
        "api.ecr-fips.cn-north-1.amazonaws.com.cn",
        "api.ecr-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_SSM,
      "cn-north-1",
      { "ssm.cn-north-1.amazonaws.com.cn", "ssm.cn-north-1.api.amazonwebservices.com.cn",
        "ssm-fips.cn-north-1.amazonaws.com.cn",
        "ssm-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_SECRETS_MANAGER,
      "cn-north-1",
      { "secretsmanager.cn-north-1.amazonaws.com.cn", "secretsmanager.cn-north-1.amazonaws.com.cn",
        "secretsmanager-fips.cn-north-1.amazonaws.com.cn",
        "secretsmanager-fips.cn-north-1.amazonaws.com.cn" } },
    { AWS_S3,
      "cn-north-1",
      { "s3.cn-north-1.amazonaws.com.cn", "s3.dualstack.cn-north-1.amazonaws.com.cn",
        "s3-fips.cn-north-1.amazonaws.com.cn", "s3-fips.dualstack.cn-north-1.amazonaws.com.cn" } },
    { AWS_LOGS,
      "cn-north-1",
      { "logs.cn-north-1.amazonaws.com.cn", "logs.cn-north-1.api.amazonwebservices.com.cn",
        "logs-fips.cn-north-1.amazonaws.com.cn",
        "logs-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_EC2,
      "cn-north-1",
      { "ec2.cn-north-1.amazonaws.com.cn", "ec2.cn-north-1.api.amazonwebservices.com.cn",
        "ec2-fips.cn-north-1.amazonaws.com.cn",
        "ec2-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_STS,
      "cn-north-1",
      { "sts.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.api.amazonwebservices.com.cn",
        "sts-fips.cn-north-1.amazonaws.com.cn",
        "sts-fips.cn-north-1.api.amazonwebservices.com.cn" } },
    { AWS_ECS,
      "us-gov-west-1",
      { "ecs.us-gov-west-1.amazonaws.com", "ecs.us-gov-west-1.api.aws",
        "ecs-fips.us-gov-west-1.amazonaws.com", "ecs-fips.us-gov-west-1.api.aws" } },
    { AWS_ECR,
      "us-gov-west-1",
      { "api.ecr.us-gov-west-1.amazonaws.com", "ecr.us-gov-west-1.api.aws",
        "ecr-fips.us-gov-west-1.amazonaws.com", "ecr-fips.us-gov-west-1.api.aws" } },
    { AWS_SSM,
      "us-gov-west-1",
      { "ssm.us-gov-west-1.amazonaws.com", "ssm.us-gov-west-1.api.aws",
        "ssm.us-gov-west-1.amazonaws.com", "ssm-fips.us-gov-west-1.api.aws" } },
    { AWS_SECRETS_MANAGER,
      "us-gov-west-1",
      { "secretsmanager.us-gov-west-1.amazonaws.com", "secretsmanager.us-gov-west-1.amazonaws.com",
        "secretsmanager-fips.us-gov-west-1.amazonaws.com",
        "secretsmanager-fips.us-gov-west-1.amazonaws.com" } },
    { AWS_S3,
      "us-gov-west-1",
      { "s3.us-gov-west-1.amazonaws.com", "s3.dualstack.us-gov-west-1.amazonaws.com",
        "s3-fips.us-gov-west-1.amazonaws.com", "s3-fips.dualstack.us-gov-west-1.amazonaws.com" } },
    { AWS_LOGS,
      "us-gov-west-1",
      { "logs.us-gov-west-1.amazonaws.com", "logs.us-gov-west-1.api.aws",
        "logs.us-gov-west-1.amazonaws.com", "logs-fips.us-gov-west-1.api.aws" } },
    { AWS_EC2,
      "us-gov-west-1",
      { "ec2.us-gov-west-1.amazonaws.com", "ec2.us-gov-west-1.api.aws",
        "ec2.us-gov-west-1.amazonaws.com", "ec2-fips.us-gov-west-1.api.aws" } },
    { AWS_STS,
      "us-gov-west-1",
      { "sts.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.api.aws",
        "sts.us-gov-west-1.amazonaws.com", "sts-fips.us-gov-west-1.api.aws" } },
    { AWS_ECS,
      "us-iso-east-1",
      { "ecs.us-iso-east-1.c2s.ic.gov", "ecs.us-iso-east-1.api.aws.ic.gov",
        "ecs-fips.us-iso-east-1.c2s.ic.gov", "ecs-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_ECR,
      "us-iso-east-1",
      { "api.ecr.us-iso-east-1.c2s.ic.gov", "api.ecr.us-iso-east-1.api.aws.ic.gov",
        "api.ecr-fips.us-iso-east-1.c2s.ic.gov", "api.ecr-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_SSM,
      "us-iso-east-1",
      { "ssm.us-iso-east-1.c2s.ic.gov", "ssm.us-iso-east-1.api.aws.ic.gov",
        "ssm-fips.us-iso-east-1.c2s.ic.gov", "ssm-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_SECRETS_MANAGER,
      "us-iso-east-1",
      { "secretsmanager.us-iso-east-1.c2s.ic.gov", "secretsmanager.us-iso-east-1.c2s.ic.gov",
        "secretsmanager-fips.us-iso-east-1.c2s.ic.gov",
        "secretsmanager-fips.us-iso-east-1.c2s.ic.gov" } },
    { AWS_S3,
      "us-iso-east-1",
      { "s3.us-iso-east-1.c2s.ic.gov", "s3.dualstack.us-iso-east-1.c2s.ic.gov",
        "s3-fips.us-iso-east-1.c2s.ic.gov", "s3-fips.dualstack.us-iso-east-1.c2s.ic.gov" } },
    { AWS_LOGS,
      "us-iso-east-1",
      { "logs.us-iso-east-1.c2s.ic.gov", "logs.us-iso-east-1.api.aws.ic.gov",
        "logs-fips.us-iso-east-1.c2s.ic.gov", "logs-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_EC2,
      "us-iso-east-1",
      { "ec2.us-iso-east-1.c2s.ic.gov", "ec2.us-iso-east-1.api.aws.ic.gov",
        "ec2-fips.us-iso-east-1.c2s.ic.gov", "ec2-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_STS,
      "us-iso-east-1",
      { "sts.us-iso-east-1.c2s.ic.gov", "sts.us-iso-east-1.api.aws.ic.gov",
        "sts-fips.us-iso-east-1.c2s.ic.gov", "sts-fips.us-iso-east-1.api.aws.ic.gov" } },
    { AWS_ECS,
      "us-isob-east-1",
      { "ecs.us-isob-east-1.sc2s.sgov.gov", "ecs.us-isob-east-1.api.aws.scloud",
        "ecs-fips.us-isob-east-1.sc2s.sgov.gov", "ecs-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_ECR,
      "us-isob-east-1",
      { "api.ecr.us-isob-east-1.sc2s.sgov.gov", "api.ecr.us-isob-east-1.api.aws.scloud",
        "api.ecr-fips.us-isob-east-1.sc2s.sgov.gov",
        "api.ecr-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_SSM,
      "us-isob-east-1",
      { "ssm.us-isob-east-1.sc2s.sgov.gov", "ssm.us-isob-east-1.api.aws.scloud",
        "ssm-fips.us-isob-east-1.sc2s.sgov.gov", "ssm-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_SECRETS_MANAGER,
      "us-isob-east-1",
      { "secretsmanager.us-isob-east-1.sc2s.sgov.gov",
        "secretsmanager.us-isob-east-1.sc2s.sgov.gov",
        "secretsmanager-fips.us-isob-east-1.sc2s.sgov.gov",
        "secretsmanager-fips.us-isob-east-1.sc2s.sgov.gov" } },
    { AWS_S3,
      "us-isob-east-1",
      { "s3.us-isob-east-1.sc2s.sgov.gov", "s3.dualstack.us-isob-east-1.sc2s.sgov.gov",
        "s3-fips.us-isob-east-1.sc2s.sgov.gov",
        "s3-fips.dualstack.us-isob-east-1.sc2s.sgov.gov" } },
    { AWS_LOGS,
      "us-isob-east-1",
      { "logs.us-isob-east-1.sc2s.sgov.gov", "logs.us-isob-east-1.api.aws.scloud",
        "logs-fips.us-isob-east-1.sc2s.sgov.gov", "logs-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_EC2,
      "us-isob-east-1",
      { "ec2.us-isob-east-1.sc2s.sgov.gov", "ec2.us-isob-east-1.api.aws.scloud",
        "ec2-fips.us-isob-east-1.sc2s.sgov.gov", "ec2-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_STS,
      "us-isob-east-1",
      { "sts.us-isob-east-1.sc2s.sgov.gov", "sts.us-isob-east-1.api.aws.scloud",
        "sts-fips.us-isob-east-1.sc2s.sgov.gov", "sts-fips.us-isob-east-1.api.aws.scloud" } },
    { AWS_ECS,
      "eu-isoe-west-1",
      { "ecs.eu-isoe-west-1.cloud.adc-e.uk", "ecs.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "ecs-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "ecs-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_ECR,
      "eu-isoe-west-1",
      { "api.ecr.eu-isoe-west-1.cloud.adc-e.uk", "api.ecr.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "api.ecr-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "api.ecr-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_SSM,
      "eu-isoe-west-1",
      { "ssm.eu-isoe-west-1.cloud.adc-e.uk", "ssm.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "ssm-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "ssm-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_SECRETS_MANAGER,
      "eu-isoe-west-1",
      { "secretsmanager.eu-isoe-west-1.cloud.adc-e.uk",
        "secretsmanager.eu-isoe-west-1.cloud.adc-e.uk",
        "secretsmanager-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "secretsmanager-fips.eu-isoe-west-1.cloud.adc-e.uk" } },
    { AWS_S3,
      "eu-isoe-west-1",
      { "s3.eu-isoe-west-1.cloud.adc-e.uk", "s3.dualstack.eu-isoe-west-1.cloud.adc-e.uk",
        "s3-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "s3-fips.dualstack.eu-isoe-west-1.cloud.adc-e.uk" } },
    { AWS_LOGS,
      "eu-isoe-west-1",
      { "logs.eu-isoe-west-1.cloud.adc-e.uk", "logs.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "logs-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "logs-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_EC2,
      "eu-isoe-west-1",
      { "ec2.eu-isoe-west-1.cloud.adc-e.uk", "ec2.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "ec2-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "ec2-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_STS,
      "eu-isoe-west-1",
      { "sts.eu-isoe-west-1.cloud.adc-e.uk", "sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
        "sts-fips.eu-isoe-west-1.cloud.adc-e.uk",
        "sts-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk" } },
    { AWS_ECS,
      "us-isof-south-1",
      { "ecs.us-isof-south-1.csp.hci.ic.gov", "ecs.us-isof-south-1.api.aws.hci.ic.gov",
        "ecs-fips.us-isof-south-1.csp.hci.ic.gov",
        "ecs-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_ECR,
      "us-isof-south-1",
      { "api.ecr.us-isof-south-1.csp.hci.ic.gov", "api.ecr.us-isof-south-1.api.aws.hci.ic.gov",
        "api.ecr-fips.us-isof-south-1.csp.hci.ic.gov",
        "api.ecr-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_SSM,
      "us-isof-south-1",
      { "ssm.us-isof-south-1.csp.hci.ic.gov", "ssm.us-isof-south-1.api.aws.hci.ic.gov",
        "ssm-fips.us-isof-south-1.csp.hci.ic.gov",
        "ssm-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_SECRETS_MANAGER,
      "us-isof-south-1",
      { "secretsmanager.us-isof-south-1.csp.hci.ic.gov",
        "secretsmanager.us-isof-south-1.csp.hci.ic.gov",
        "secretsmanager-fips.us-isof-south-1.csp.hci.ic.gov",
        "secretsmanager-fips.us-isof-south-1.csp.hci.ic.gov" } },
    { AWS_S3,
      "us-isof-south-1",
      { "s3.us-isof-south-1.csp.hci.ic.gov", "s3.dualstack.us-isof-south-1.csp.hci.ic.gov",
        "s3-fips.us-isof-south-1.csp.hci.ic.gov",
        "s3-fips.dualstack.us-isof-south-1.csp.hci.ic.gov" } },
    { AWS_LOGS,
      "us-isof-south-1",
      { "logs.us-isof-south-1.csp.hci.ic.gov", "logs.us-isof-south-1.api.aws.hci.ic.gov",
        "logs-fips.us-isof-south-1.csp.hci.ic.gov",
        "logs-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_EC2,
      "us-isof-south-1",
      { "ec2.us-isof-south-1.csp.hci.ic.gov", "ec2.us-isof-south-1.api.aws.hci.ic.gov",
        "ec2-fips.us-isof-south-1.csp.hci.ic.gov",
        "ec2-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_STS,
      "us-isof-south-1",
      { "sts.us-isof-south-1.csp.hci.ic.gov", "sts.us-isof-south-1.api.aws.hci.ic.gov",
        "sts-fips.us-isof-south-1.csp.hci.ic.gov",
        "sts-fips.us-isof-south-1.api.aws.hci.ic.gov" } },
    { AWS_ECS,
      "eusc-de-east-1",
      { "ecs.eusc-de-east-1.amazonaws.eu", "ecs.eusc-de-east-1.api.amazonwebservices.eu",
        "ecs-fips.eusc-de-east-1.amazonaws.eu",
        "ecs-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
    { AWS_ECR,
      "eusc-de-east-1",
      { "api.ecr.eusc-de-east-1.amazonaws.eu", "api.ecr.eusc-de-east-1.api.amazonwebservices.eu",
        "api.ecr-fips.eusc-de-east-1.amazonaws.eu",
        "api.ecr-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
    { AWS_SSM,
      "eusc-de-east-1",
      { "ssm.eusc-de-east-1.amazonaws.eu", "ssm.eusc-de-east-1.api.amazonwebservices.eu",
        "ssm-fips.eusc-de-east-1.amazonaws.eu",
        "ssm-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
    { AWS_SECRETS_MANAGER,
      "eusc-de-east-1",
      { "secretsmanager.eusc-de-east-1.amazonaws.eu", "secretsmanager.eusc-de-east-1.amazonaws.eu",
        "secretsmanager-fips.eusc-de-east-1.amazonaws.eu",
        "secretsmanager-fips.eusc-de-east-1.amazonaws.eu" } },
    { AWS_S3,
      "eusc-de-east-1",
      { "s3.eusc-de-east-1.amazonaws.eu", "s3.dualstack.eusc-de-east-1.amazonaws.eu",
        "s3-fips.eusc-de-east-1.amazonaws.eu", "s3-fips.dualstack.eusc-de-east-1.amazonaws.eu" } },
    { AWS_LOGS,
      "eusc-de-east-1",
      { "logs.eusc-de-east-1.amazonaws.eu", "logs.eusc-de-east-1.api.amazonwebservices.eu",
        "logs-fips.eusc-de-east-1.amazonaws.eu",
        "logs-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
    { AWS_EC2,
      "eusc-de-east-1",
      { "ec2.eusc-de-east-1.amazonaws.eu", "ec2.eusc-de-east-1.api.amazonwebservices.eu",
        "ec2-fips.eusc-de-east-1.amazonaws.eu",
        "ec2-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
    { AWS_STS,
      "eusc-de-east-1",
      { "sts.eusc-de-east-1.amazonaws.eu", "sts.eusc-de-east-1.api.amazonwebservices.eu",
        "sts-fips.eusc-de-east-1.amazonaws.eu",
        "sts-fips.eusc-de-east-1.api.amazonwebservices.eu" } },
};

static void test_every_endpoint(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        for (int kind = PLAIN; kind < KINDS; kind++) {
            AUTO(str)
            char *url = aws_endpoint_of(table[i].place, table[i].region,
                                        kind == FIPS || kind == BOTH, kind == DUAL || kind == BOTH);

            assert_true(str_starts(url, "https://"));
            assert_string_equal(url + strlen("https://"), table[i].host[kind]);
        }
    }
}

static void test_partitions(void **state)
{
    static const struct {
        const char *region, *partition;
    } regions[] = {
        { "us-east-1", "aws" },
        { "me-south-1", "aws" },
        { "il-central-1", "aws" },
        { "ap-southeast-10", "aws" },
        { "us-gov-east-1", "aws-us-gov" },
        { "us-gov-", "aws-us-gov" },
        { "cn-northwest-1", "aws-cn" },
        { "us-iso-west-1", "aws-iso" },
        { "us-isob-west-1", "aws-iso-b" },
        { "us-isof-east-1", "aws-iso-f" },
        { "eu-isoe-west-1", "aws-iso-e" },
        { "eusc-de-east-1", "aws-eusc" },
        /* Three parts of a known area belong to the first partition whatever the middle. */
        { "us-iso-1", "aws" },
        { "us-gov-1", "aws" },
        { "eu-isoe-1", "aws" },
        { "us-iso-x", "aws-iso" },
        /* Nobody's. */
        { "", "aws" },
        { "us", "aws" },
        { "us-gov", "aws" },
        { "usgov-west-1", "aws" },
        { "eusc-fr-west-1", "aws" },
        { "CN-north-1", "aws" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(regions); i++)
        assert_string_equal(aws_partition(regions[i].region), regions[i].partition);
}

static void test_s3_fips_regions(void **state)
{
    static const char *const yes[] = {
        "us-east-1",     "us-east-2",     "us-west-1",    "us-west-2",
        "us-gov-east-1", "us-gov-west-1", "ca-central-1", "ca-west-1",
    };
    static const char *const no[] = { "eu-west-1", "cn-north-1", "us-iso-east-1", "us-west", "" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        assert_true(aws_s3_has_fips(yes[i]));
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_false(aws_s3_has_fips(no[i]));
}

/* ---- with a configuration ---- */

static const char *look_up(void *user, const char *name)
{
    const char *const *pair = user;

    for (; *pair; pair += 2) {
        if (streq(pair[0], name))
            return pair[1];
    }
    return NULL;
}

static const char *const nothing[] = { NULL };

static struct aws *make(const char *const *env, bool fips, bool dual_stack, bool host_fips)
{
    return aws_create(&(struct aws_args){ .region = "us-west-2",
                                          .env = env ? look_up : NULL,
                                          .env_user = (void *)(uintptr_t)env,
                                          .fips = fips,
                                          .dual_stack = dual_stack,
                                          .host_fips = host_fips });
}

static void check(const struct aws *a, enum aws_place place, const char *region, const char *want)
{
    AUTO(str) char *url = aws_endpoint(a, place, region);

    assert_string_equal(url, want);
}

static void test_the_agents_region(void **state)
{
    struct aws *a = make(NULL, false, false, false);

    (void)state;
    assert_string_equal(aws_region(a), "us-west-2");
    check(a, AWS_ECS, NULL, "https://ecs.us-west-2.amazonaws.com");
    check(a, AWS_ECS, "", "https://ecs.us-west-2.amazonaws.com");
    check(a, AWS_ECS, "cn-north-1", "https://ecs.cn-north-1.amazonaws.com.cn");
    assert_false(aws_endpoint_is_set(a, AWS_ECS));
    aws_destroy(a);

    a = make(nothing, true, true, false);
    check(a, AWS_STS, NULL, "https://sts-fips.us-west-2.api.aws");
    aws_destroy(a);
}

static void test_a_host_in_fips_mode_counts_for_s3_only(void **state)
{
    struct aws *a = make(nothing, false, false, true);

    (void)state;
    check(a, AWS_S3, NULL, "https://s3-fips.us-west-2.amazonaws.com");
    check(a, AWS_S3, "eu-west-1", "https://s3.eu-west-1.amazonaws.com");
    check(a, AWS_SSM, NULL, "https://ssm.us-west-2.amazonaws.com");
    check(a, AWS_ECS, NULL, "https://ecs.us-west-2.amazonaws.com");
    aws_destroy(a);
}

static void test_variables_win(void **state)
{
    static const struct {
        enum aws_place place;
        const char *variable;
    } own[] = {
        { AWS_ECS, "AWS_ENDPOINT_URL_ECS" },
        { AWS_ECR, "AWS_ENDPOINT_URL_ECR" },
        { AWS_SSM, "AWS_ENDPOINT_URL_SSM" },
        { AWS_SECRETS_MANAGER, "AWS_ENDPOINT_URL_SECRETS_MANAGER" },
        { AWS_S3, "AWS_ENDPOINT_URL_S3" },
        { AWS_LOGS, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS" },
        { AWS_EC2, "AWS_ENDPOINT_URL_EC2" },
        { AWS_STS, "AWS_ENDPOINT_URL_STS" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        const char *const env[] = { own[i].variable, "http://127.0.0.1:1", "AWS_ENDPOINT_URL",
                                    "http://127.0.0.1:2", NULL };
        struct aws *a = make(env, true, true, true);

        for (size_t k = 0; k < COUNT_OF(own); k++) {
            assert_true(aws_endpoint_is_set(a, own[k].place));
            check(a, own[k].place, "eu-west-1", k == i ? env[1] : env[3]);
        }
        aws_destroy(a);
    }
}

static void test_an_empty_variable_is_none(void **state)
{
    static const char *const env[] = { "AWS_ENDPOINT_URL_S3", "", "AWS_ENDPOINT_URL", "", NULL };
    struct aws *a = make(env, false, false, false);

    (void)state;
    assert_false(aws_endpoint_is_set(a, AWS_S3));
    check(a, AWS_S3, NULL, "https://s3.us-west-2.amazonaws.com");
    aws_destroy(a);
}

/* ---- time ---- */

static void date_of(int64_t wall_ms, char out[64])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void test_time_is_learned(void **state)
{
    static const int64_t ahead_s[] = { 600, -600, 86400, -245, 245 };
    static const char *const nonsense[] = {
        NULL,
        "",
        "yesterday",
        "Sat, 21 Nov 2026 08:00:00",
        "Sat, 21 Nov 2026 08:00:00 GMT and more",
        "2026-11-21T08:00:00Z",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Sat, 41 Nov 2026 08:00:00 GMT",
        "Fri, 21 Nov 9999 08:00:00 GMT",
    };
    struct aws *a = make(nothing, false, false, false);
    int64_t told = 0;
    char date[64];

    (void)state;
    assert_int_equal(aws_clock_offset_ms(a), 0);
    for (size_t i = 0; i < COUNT_OF(nonsense); i++)
        assert_false(aws_learn_time(a, nonsense[i]));
    assert_false(aws_parse_date(nonsense[1], &told));
    assert_true(aws_parse_date("Sat, 21 Nov 2026 08:00:00 GMT", &told));
    assert_int_equal(told, 1795248000000);
    date_of(clock_wall_ms() + 200000, date);
    assert_false(aws_learn_time(a, date));
    assert_int_equal(aws_clock_offset_ms(a), 0);

    for (size_t i = 0; i < COUNT_OF(ahead_s); i++) {
        int64_t there = clock_wall_ms() + ahead_s[i] * 1000;
        bool apart;

        date_of(there, date);
        apart = llabs(there - aws_now_ms(a)) > 240000;
        assert_int_equal(aws_learn_time(a, date), apart);
        assert_true(llabs(aws_clock_offset_ms(a) - ahead_s[i] * 1000) < 5000);
        /* Once known it is no news. */
        assert_false(aws_learn_time(a, date));
    }
    aws_destroy(a);
}

/* ---- retries ---- */

static void test_the_bucket(void **state)
{
    struct aws *a = make(nothing, false, false, false);

    (void)state;
    aws_retry_succeeded(a);
    assert_int_equal(aws_retry_tokens(a), 500);
    assert_true(aws_retry_take(a, true));
    assert_true(aws_retry_take(a, false));
    assert_int_equal(aws_retry_tokens(a), 485);
    aws_retry_succeeded(a);
    assert_int_equal(aws_retry_tokens(a), 486);
    for (int i = 0; i < 97; i++)
        assert_true(aws_retry_take(a, false));
    assert_int_equal(aws_retry_tokens(a), 1);
    assert_false(aws_retry_take(a, false));
    for (int i = 0; i < 4; i++)
        aws_retry_succeeded(a);
    assert_false(aws_retry_take(a, true));
    assert_true(aws_retry_take(a, false));
    assert_int_equal(aws_retry_tokens(a), 0);
    aws_destroy(a);
}

static void test_delays(void **state)
{
    struct aws *a = make(nothing, false, false, false);
    int64_t least[12], most[12];

    (void)state;
    for (int n = 1; n < 12; n++) {
        int64_t limit = n < 5 ? 1000 << n : 20000;

        least[n] = INT64_MAX;
        most[n] = 0;
        for (int i = 0; i < 2000; i++) {
            int64_t ms = aws_retry_delay_ms(a, n);

            assert_in_range(ms, 0, limit);
            least[n] = ms < least[n] ? ms : least[n];
            most[n] = ms > most[n] ? ms : most[n];
        }
        /* All of the range is used. */
        assert_true(least[n] < limit / 10);
        assert_true(most[n] > limit - limit / 10);
    }
    aws_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_endpoint),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_s3_fips_regions),
        cmocka_unit_test(test_the_agents_region),
        cmocka_unit_test(test_a_host_in_fips_mode_counts_for_s3_only),
        cmocka_unit_test(test_variables_win),
        cmocka_unit_test(test_an_empty_variable_is_none),
        cmocka_unit_test(test_time_is_learned),
        cmocka_unit_test(test_the_bucket),
        cmocka_unit_test(test_delays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
