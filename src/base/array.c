/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays in files: which format it is. */
#include "base/array.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/csv.h"
#include "base/npy.h"

static const struct { /* first bytes of files that people try */
    const char *magic, *what;
} others[] = {
    {"\x89PNG", "a PNG image; mp2ml predict --input and Python's mp2ml.read_images take images"},
    {"\xff\xd8\xff", "a JPEG image; mp2ml predict --input and Python's mp2ml.read_images take "
                     "images"},
    {"PK\x03\x04", "an archive (.npz, .zip, .xlsx); expected one array, as .npy or CSV"},
    {"\x1f\x8b", "a compressed file; unpack it first"},
    {"\x89HDF", "an HDF5 file; expected an array, as .npy or CSV"},
};

static bool begins(const void *data, size_t size, const char *magic)
{
    size_t n = strlen(magic);
    return size >= n && memcmp(data, magic, n) == 0;
}

mp2ml_status array_parse(mp2ml_array *out, const void *data, size_t size, const char *name,
                         mp2ml_error *err)
{
    const char *dot = strrchr(name, '.');
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(data, size, others[i].magic))
            return status_fail(err, MP2ML_ERR_INPUT, "%s: %s", name, others[i].what);
    if (begins(data, size, "\x93NUMPY") || (dot != NULL && strcasecmp(dot, ".npy") == 0))
        return npy_parse(out, data, size, name, err);
    return csv_parse(out, data, size, name, err);
}

static mp2ml_status read_file(uint8_t **data, size_t *size, FILE *f, const char *path,
                              mp2ml_error *err)
{
    struct stat st;
    if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
        return status_fail(err, MP2ML_ERR_IO, "%s: not a regular file", path);
    *size = (size_t)st.st_size;
    *data = malloc(*size != 0 ? *size : 1);
    if (*data == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "%s: no memory for its %zu bytes", path, *size);
    if (fread(*data, 1, *size, f) == *size)
        return MP2ML_OK;
    free(*data);
    *data = NULL;
    return status_fail(err, MP2ML_ERR_IO, "%s: cannot read all of its %zu bytes", path, *size);
}

mp2ml_status array_read(mp2ml_array *out, const char *path, mp2ml_error *err)
{
    memset(out, 0, sizeof *out);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return status_fail(err, MP2ML_ERR_IO, "%s: %s", path, strerror(errno));
    uint8_t *data = NULL;
    size_t size = 0;
    mp2ml_status status = read_file(&data, &size, f, path, err);
    fclose(f);
    if (status == MP2ML_OK)
        status = array_parse(out, data, size, path, err);
    if (data != NULL)
        explicit_bzero(data, size); /* a client's input */
    free(data);
    return status;
}

void array_wipe(mp2ml_array *array)
{
    if (array->values != NULL)
        explicit_bzero(array->values, array->count * sizeof *array->values);
    free(array->values);
    memset(array, 0, sizeof *array);
}
