#pragma once
/* folder: one for the files of a process, removed with all that is in it at its exit. In memory
 * where that is to be had, for a disk would be waited for at every input. */

/* Made by the first call. */
const char *fuzz_folder(void);
/* Removes the files that are right in it. */
void fuzz_folder_empty(void);
