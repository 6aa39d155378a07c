/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target, without libFuzzer, over files and over all files of folders. Each input lies
 * in a block of its own, so that sanitizers see a read behind its end. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"

static size_t inputs;

static bool replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    uint8_t *data = malloc(size != 0 ? size : 1);
    bool good = data != NULL && fread(data, 1, size, file) == size;
    fclose(file);
    if (good) {
        (void)LLVMFuzzerTestOneInput(data, size);
        inputs++;
    }
    free(data);
    return good;
}

static bool replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    if (!S_ISDIR(info.st_mode))
        return replay_file(path, (size_t)info.st_size);
    DIR *folder = opendir(path);
    bool good = folder != NULL;
    for (struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        good = length > 0 && (size_t)length < sizeof name && replay(name);
    }
    if (folder != NULL)
        closedir(folder);
    return good;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!replay(argv[i])) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1; /* a corpus that is not there is a fault */
}
