/*
 * How far a run of one kind of bytes goes: the inner loop of parsing. Each
 * returns the first byte in [p, end) that is not of the kind, or `end`, and
 * never reads at or behind `end`. Pure.
 */
#ifndef PROXY_H1_SCAN_H
#define PROXY_H1_SCAN_H

/* tchar (RFC 9110 5.6.2): methods and field names. */
const char *scan_token(const char *p, const char *end);

/* VCHAR, obs-text, SP and HTAB (RFC 9110 5.5): field values, reasons. */
const char *scan_value(const char *p, const char *end);

/* Visible ASCII: request targets, whatever their form. */
const char *scan_target(const char *p, const char *end);

#endif
