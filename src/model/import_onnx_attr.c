/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of ONNX nodes. Old files leave the type out, so that only a type that is there and
 * another one is an error. */
#include <string.h>

#include "model/import_onnx_internal.h"

enum attribute_type { /* of the public numbering */
                      TYPE_FLOAT = 1,
                      TYPE_INT = 2,
                      TYPE_STRING = 3,
                      TYPE_INTS = 7
};

Onnx__Attribute *onnx_attr(const onnx_node *def, const char *key)
{
    for (size_t k = 0; k < def->n_attribute; k++)
        if (strcmp(def->attribute[k]->name, key) == 0)
            return def->attribute[k];
    return NULL;
}

static mp2ml_status typed(const struct onnx_call *c, const char *key, int32_t type,
                          const Onnx__Attribute **out)
{
    *out = onnx_attr(c->def, key);
    if (*out == NULL || (*out)->type == 0 || (*out)->type == type)
        return MP2ML_OK;
    return ONNX_FAIL(c, MP2ML_ERR_MODEL, "attribute '%s' has the wrong type", key);
}

mp2ml_status onnx_attr_int(const struct onnx_call *c, const char *key, int64_t *out)
{
    const Onnx__Attribute *a;
    TRY(typed(c, key, TYPE_INT, &a));
    if (a != NULL)
        *out = a->i;
    return MP2ML_OK;
}

mp2ml_status onnx_attr_float(const struct onnx_call *c, const char *key, float *out)
{
    const Onnx__Attribute *a;
    TRY(typed(c, key, TYPE_FLOAT, &a));
    if (a != NULL)
        *out = a->f;
    return MP2ML_OK;
}

mp2ml_status onnx_attr_ints(const struct onnx_call *c, const char *key, const int64_t **out,
                            size_t *count)
{
    const Onnx__Attribute *a;
    TRY(typed(c, key, TYPE_INTS, &a));
    *out = a != NULL ? a->ints : NULL;
    *count = a != NULL ? a->n_ints : 0;
    return MP2ML_OK;
}

bool onnx_attr_is(const struct onnx_call *c, const char *key, const char *text, bool otherwise)
{
    const Onnx__Attribute *a = onnx_attr(c->def, key);
    if (a == NULL || a->s.len == 0)
        return otherwise;
    return a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}

struct onnx_text onnx_attr_text(const struct onnx_call *c, const char *key)
{
    struct onnx_text t = {""};
    const Onnx__Attribute *a = onnx_attr(c->def, key);
    const size_t n = a == NULL ? 0 : a->s.len < sizeof t.text ? a->s.len : sizeof t.text - 1;
    if (n != 0)
        memcpy(t.text, a->s.data, n);
    return t;
}
