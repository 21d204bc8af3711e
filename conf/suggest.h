/*
 * For a word that is not known: the nearest one that is, and the list of
 * all, as the end of an error message. Pure.
 */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

/*
 * Insertions, deletions, changes and swaps of neighbours that lead from one
 * word to the other, without regard to case; a large number for words of
 * more than 64 bytes.
 */
unsigned suggest_distance(const char *a, const char *b);

/*
 * The nearest of the n known words, NULL when none is near: at most a third
 * of the letters differ, or one letter.
 */
const char *suggest_nearest(
    const char *word, const char *const *known, size_t n);

/* "a, b, c"; cut with "..." where it does not fit. */
void suggest_list(const char *const *known, size_t n, char *buf, size_t size);

#endif
