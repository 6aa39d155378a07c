/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of ONNX nodes that import_onnx_schema.c has looked at. */
#include <string.h>

#include "model/import_onnx_internal.h"

Onnx__Attribute *onnx_attr(const onnx_node *def, const char *key)
{
    for (size_t k = 0; k < def->n_attribute; k++)
        if (strcmp(def->attribute[k]->name, key) == 0)
            return def->attribute[k];
    return NULL;
}

void onnx_attr_int(const struct onnx_call *c, const char *key, int64_t *out)
{
    const Onnx__Attribute *a = onnx_attr(c->def, key);
    if (a != NULL)
        *out = a->i;
}

void onnx_attr_float(const struct onnx_call *c, const char *key, float *out)
{
    const Onnx__Attribute *a = onnx_attr(c->def, key);
    if (a != NULL)
        *out = a->f;
}

void onnx_attr_ints(const struct onnx_call *c, const char *key, const int64_t **out, size_t *count)
{
    const Onnx__Attribute *a = onnx_attr(c->def, key);
    *out = a != NULL ? a->ints : NULL;
    *count = a != NULL ? a->n_ints : 0;
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
