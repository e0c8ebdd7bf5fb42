#include "control/one_text.h"

bool one_text_member(const struct jcur *root, struct jcur *member)
{
    struct jcur more;

    if (!jcur_member(root, 0, member) || jcur_type(member) != JSON_STR)
        return false;
    more = *member;
    return !jcur_member(root, 1, &more);
}
