#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "aws/aws_call.h"
#include "base/mem.h"
#include "base/secret.h"

static const struct {
    const char *xml, *name, *want; /* NULL: absent */
} cases[] = {
    { "<a><b>x</b></a>", "b", "x" },
    { "<a><b>x</b><b>y</b></a>", "b", "x" },
    { "<a><b> x\n</b></a>", "b", " x\n" },
    { "<a><bb>no</bb><b>x</b></a>", "b", "x" },
    { "<a><b/></a>", "b", "" },
    { "<a><b /></a>", "b", "" },
    { "<a><b></b></a>", "b", "" },
    { "<a/>", "b", NULL },
    { "", "b", NULL },
    { "b", "b", NULL },
    { "<", "b", NULL },
    { "<b", "b", NULL },
    { "<b>half", "b", NULL },
    { "<b>half<", "b", NULL },
    { "<b>half</", "b", NULL },
    { "</b>", "b", NULL },
    { "<B>x</B>", "b", NULL },
    { "<a t=\"<b>no</b>\" u='>'><b>x</b></a>", "b", "x" },
    { "<a xmlns=\"http://x/\"><b c='/'>x</b></a>", "b", "x" },
    { "<s:a><s:b>x</s:b></s:a>", "b", "x" },
    { "<!-- <b>no</b> --><b>x</b>", "b", "x" },
    { "<?xml version=\"1.0\"?><!DOCTYPE a><a><b>x</b></a>", "b", "x" },
    { "<a><![CDATA[<b>no</b>]]><b>x</b></a>", "b", "x" },
    { "<b>1<!-- </b> -->2<![CDATA[<&lt;]]>3</b>", "b", "12<&lt;3" },
    { "<b>x<!-- half", "b", NULL },
    { "<b>x<![CDATA[half", "b", NULL },
    { "<b>one<c>two</c>three</b>", "b", "onetwothree" },
    { "<b>&lt;&gt;&amp;&quot;&apos;</b>", "b", "<>&\"'" },
    { "<b>&amp;lt;</b>", "b", "&lt;" },
    { "<b>&#65;&#x42;&#233;&#x20AC;&#x1f600;</b>", "b", "AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "<b>&#0;&#xD800;&#x110000;&#;&#x;&#x+1;&no;& &</b>", "b",
      "&#0;&#xD800;&#x110000;&#;&#x;&#x+1;&no;& &" },
};

static void test_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n = strlen(cases[i].xml);
        char *exact = mem_alloc(n ? n : 1); /* so that a byte too far is seen */
        AUTO(secret) char *got = NULL;

        memcpy(exact, cases[i].xml, n);
        got = aws_xml_text((struct str){ exact, n }, cases[i].name, NULL);
        if (!cases[i].want)
            assert_null(got);
        else if (!got)
            fail_msg("nothing in %s", cases[i].xml);
        else
            assert_string_equal(got, cases[i].want);
        free(exact);
    }
}

static void test_one_after_the_other(void **state)
{
    struct str xml = str_of("<tagSet><item><key>Name</key><value>a&amp;b</value></item>"
                            "<item><key>Stage</key><value/></item></tagSet>");
    static const char *const want[] = { "Name", "a&b", "Stage", "" };
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        AUTO(secret) char *got = aws_xml_text(xml, i % 2 ? "value" : "key", &at);

        assert_non_null(got);
        assert_string_equal(got, want[i]);
    }
    assert_null(aws_xml_text(xml, "key", &at));
    at = xml.n + 5;
    assert_null(aws_xml_text(xml, "key", &at));
    assert_null(aws_xml_text((struct str){ NULL, 0 }, "key", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
