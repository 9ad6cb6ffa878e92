/* SPDX-License-Identifier: MIT */
/*
 * Owns the syntax of wssd.ini.  Pure: text in, sections and errors out.
 *
 * Lines are cut here, `key = value' is libini-config's.  Each section is an
 * object of its own: the library takes [route /a] and [route /A] for one
 * section, looks names up one by one in all sections, gives a name with a
 * `!' a meaning of its own, and returns nothing at all when a single line is
 * wrong.
 */
#include "common/ini.h"

#include <ctype.h>
#include <ini_configobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/str.h"

#define KEYS_MAX 256		/* of a section: lookups are quadratic */
#define LIBRARY_RUNS_MAX 32	/* each takes the wrong lines out */
#define COLLISIONS (INI_MV1S_ALLOW | INI_MV2S_ALLOW | INI_MS_MERGE)
#define SECTION "s"		/* what it is called in its object */
#define SYNTAX (INI_PARSE_NOWRAP | INI_PARSE_NO_C_COMMENTS)

struct scan {
	const char *file;
	struct config_errors *errors;
	struct ini *ini;
	struct ini_section *section;	/* NULL: lines belong to none */
	unsigned line;
	struct buf body;	/* a header, then its lines with keys */
	unsigned lines[KEYS_MAX + 1];	/* where those of the body stand */
	size_t n_lines;
	bool complained;	/* of lines that cannot be taken */
};

static struct config_place
here(const struct scan *s)
{
	return (struct config_place){ s->file, s->line };
}

static struct config_place
at(const struct scan *s, unsigned line)
{
	return (struct config_place){ s->file, line };
}

/* What a value must not be; false when an error was reported. */
static bool
check_value(const struct scan *s, const char *value, unsigned line)
{
	bool quoted = value[0] == '"';
	size_t len = strlen(value);
	bool comment = value[0] == ';' || value[0] == '#';

	if (quoted && len > 1 && value[len - 1] == '"')
		return true;
	for (size_t i = 1; i < len && !comment; i++)
		comment = (value[i] == ';' || value[i] == '#') &&
		    (value[i - 1] == ' ' || value[i - 1] == '\t');
	if (comment)
		config_error(s->errors, at(s, line), "a comment must stand on "
		    "a line of its own (or put the value in double quotes)");
	else if (quoted)
		config_error(s->errors, at(s, line),
		    "the closing double quote is missing");
	return !comment && !quoted;
}

static void
add_key(const struct scan *s, const char *key, const char *value,
    unsigned line)
{
	struct ini_section *section = s->section;
	struct ini_key *k;
	size_t len = strlen(value);

	if (!check_value(s, value, line))
		return;
	section->keys = xreallocarray(section->keys, section->n_keys + 1,
	    sizeof(*section->keys));
	k = &section->keys[section->n_keys++];
	k->key = xstrdup(key);
	k->line = line;
	k->value = value[0] == '"' ? xstrndup(value + 1, len - 2) :
	    xstrdup(value);
}

/* The value of the nth key (from 0) of that name, or NULL. */
static struct value_obj *
find_value(struct ini_cfgobj *object, const char *key, size_t nth)
{
	struct value_obj *value = NULL;

	if (ini_get_config_valueobj(SECTION, key, object,
	    INI_GET_FIRST_VALUE, &value) != 0)
		return NULL;
	while (value != NULL && nth-- > 0) {
		if (ini_get_config_valueobj(SECTION, key, object,
		    INI_GET_NEXT_VALUE, &value) != 0)
			return NULL;
	}
	return value;
}

/* The library's line is the body's, from 1; ours is the file's. */
static struct config_place
at_body_line(const struct scan *s, unsigned line)
{
	return at(s, s->lines[line >= 1 && line <= s->n_lines ? line - 1 : 0]);
}

/* Copies what the library has understood into the section. */
static void
take_values(const struct scan *s, struct ini_cfgobj *object)
{
	int n = 0;
	char **keys = ini_get_attribute_list(object, SECTION, &n,
	    NULL);

	for (int i = 0; keys != NULL && i < n; i++) {
		struct value_obj *value;
		const char *text;
		unsigned line = 0;
		size_t nth = 0;

		for (int j = 0; j < i; j++)
			nth += strcasecmp(keys[i], keys[j]) == 0;
		value = find_value(object, keys[i], nth);
		if (value == NULL || value_get_line(value, &line) != 0)
			continue;
		text = ini_get_const_string_config_value(value, NULL);
		add_key(s, keys[i], text == NULL ? "" : text,
		    at_body_line(s, line).line);
	}
	if (keys != NULL)
		ini_free_attribute_list(keys);
}

/* Makes a line of the body empty; its number stays. */
static void
blank_line(struct buf *body, unsigned line)
{
	char *p = (char *)body->data, *end = p + body->len;

	for (unsigned n = 1; n < line && p < end; n++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL)
			return;
		p++;
	}
	while (p < end && *p != '\n')
		*p++ = ' ';
}

/*
 * Reports the library's errors and blanks their lines, so that the rest can
 * be parsed again.  Returns how many there were.
 */
static unsigned
take_errors(struct scan *s, struct ini_cfgobj *object)
{
	unsigned n = 0, code, line;
	char **messages;

	if (ini_config_get_errors(object, &messages) != 0)
		return 0;
	for (; messages[n] != NULL; n++) {
		/* the only way to the numbers; the text may be translated */
		if (sscanf(messages[n], "%*[^(](%u)%*[^0-9]%u", &code,
		    &line) != 2)
			break;
		if (code == ERR_NOEQUAL)
			config_error(s->errors, at_body_line(s, line),
			    "expected `key = value' or `[section]'");
		else if (code == ERR_NOKEY)
			config_error(s->errors, at_body_line(s, line),
			    "there is no key before the `='");
		else
			config_error(s->errors, at_body_line(s, line),
			    "not understood (libini-config, error %u)", code);
		blank_line(&s->body, line);
	}
	ini_config_free_errors(messages);
	return n;
}

/* One run of the library over the body; false: run it again. */
static bool
parse_body_once(struct scan *s)
{
	struct ini_cfgobj *object = NULL;
	struct ini_cfgfile *memory = NULL;
	bool done = true;
	int r;

	r = ini_config_create(&object);
	if (r == 0)
		r = ini_config_file_from_mem(s->body.data,
		    (uint32_t)s->body.len, &memory);
	if (r == 0)
		r = ini_config_parse(memory, INI_STOP_ON_NONE, COLLISIONS,
		    SYNTAX, object);
	if (r == 0)
		take_values(s, object);
	else if (object != NULL && ini_config_error_count(object) > 0)
		done = take_errors(s, object) == 0;
	else
		config_error(s->errors, at_body_line(s, 1),
		    "this section is not understood (libini-config, %s)",
		    strerror(r));
	ini_config_file_destroy(memory);
	ini_config_destroy(object);
	return done;
}

static int
compare_lines(const void *a, const void *b)
{
	const struct ini_key *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

static void
refuse_duplicate_keys(const struct scan *s)
{
	const struct ini_section *section = s->section;

	for (size_t i = 1; i < section->n_keys; i++) {
		const struct ini_key *k = &section->keys[i];

		for (size_t j = 0; j < i; j++) {
			if (strcmp(section->keys[j].key, k->key) != 0)
				continue;
			config_error(s->errors, at(s, k->line),
			    "`%.80s' is already set in line %u", k->key,
			    section->keys[j].line);
			break;
		}
	}
}

/* The section's lines are complete: parses them. */
static void
end_section(struct scan *s)
{
	if (s->section != NULL && s->n_lines > 1) {
		for (int i = 0; i < LIBRARY_RUNS_MAX; i++) {
			if (parse_body_once(s))
				break;
		}
		if (s->section->n_keys > 1)
			qsort(s->section->keys, s->section->n_keys,
			    sizeof(*s->section->keys), compare_lines);
		refuse_duplicate_keys(s);
	}
	buf_clear(&s->body);
	s->n_lines = 0;
	s->section = NULL;
}

/* "[kind name]"; the line is the caller's to write to. */
static void
on_header(struct scan *s, char *line)
{
	struct ini_section *section;
	char *close = strrchr(line, ']'), *kind, *name;

	end_section(s);
	s->complained = true;	/* of what follows a wrong header */
	if (close == NULL || close[1] != '\0') {
		config_error(s->errors, here(s), close == NULL ?
		    "the closing `]' of the section is missing" :
		    "nothing may stand behind the `]' of a section "
		    "(a comment must stand on a line of its own)");
		return;
	}
	*close = '\0';
	kind = str_trim(line + 1);
	name = kind + strcspn(kind, " \t");
	if (*name != '\0')
		*name++ = '\0';
	if (*kind == '\0') {
		config_error(s->errors, here(s), "the section has no name");
		return;
	}
	if (s->ini->n == INI_SECTIONS_MAX) {
		config_error(s->errors, here(s), "more than %u sections",
		    INI_SECTIONS_MAX);
		return;
	}
	s->ini->sections = xreallocarray(s->ini->sections, s->ini->n + 1,
	    sizeof(*s->ini->sections));
	section = &s->ini->sections[s->ini->n++];
	*section = (struct ini_section){ .kind = xstrdup(kind),
		.name = xstrdup(str_trim(name)), .line = s->line };
	s->section = section;
	s->complained = false;
	/* a fixed header: the library's attribute list leaves out the first
	   entry, which it takes for the section's own */
	buf_printf(&s->body, "[" SECTION "]\n");
	s->lines[s->n_lines++] = s->line;
}

/* Whether the text before the `=' can be a key; the library decides more. */
static bool
check_key(const struct scan *s, const char *line)
{
	size_t len = strcspn(line, "=");
	size_t i;

	if (line[len] == '\0')
		return true;
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	for (i = 0; i < len; i++) {
		if (!isalnum((unsigned char)line[i]) &&
		    strchr("._-", line[i]) == NULL)
			break;
	}
	if (i == len && len <= 128)
		return true;
	config_error(s->errors, here(s), "`%.*s' cannot be a key",
	    len < 80 ? (int)len : 80, line);
	return false;
}

/* A line that is neither empty nor a comment nor a header. */
static void
on_key(struct scan *s, const char *line)
{
	if (s->section == NULL) {
		if (!s->complained)
			config_error(s->errors, here(s), "a key before the "
			    "first section: write [wssd] above it");
		s->complained = true;
		return;
	}
	if (!check_key(s, line))
		return;
	if (s->n_lines == KEYS_MAX + 1) {
		if (!s->complained)
			config_error(s->errors, here(s),
			    "more than %d keys in a section", KEYS_MAX);
		s->complained = true;
		return;
	}
	s->lines[s->n_lines++] = s->line;
	buf_printf(&s->body, "%s\n", line);
}

/* Bytes that stand in no text file; false when an error was reported. */
static bool
check_bytes(const struct scan *s, const char *line, size_t len)
{
	if (len > INI_LINE_MAX) {
		config_error(s->errors, here(s),
		    "the line is longer than %u bytes", INI_LINE_MAX);
		return false;
	}
	if (!str_is_utf8(line, len)) {
		config_error(s->errors, here(s), "the line is not UTF-8 text");
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c >= 0x20 || c == '\t') && c != 0x7f)
			continue;
		config_error(s->errors, here(s),
		    "the line has a control character (\\x%02x)", c);
		return false;
	}
	return true;
}

static void
on_line(struct scan *s, const char *line, size_t len)
{
	char *copy, *text;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (!check_bytes(s, line, len))
		return;
	copy = xstrndup(line, len);
	text = str_trim(copy);
	if (text[0] == '[')
		on_header(s, text);
	else if (text[0] != '\0' && text[0] != ';' && text[0] != '#')
		on_key(s, text);
	free(copy);
}

/* False: no text, or too much of it. */
static bool
check_text(struct scan *s, const char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);

	if (len > BUNDLE_FILE_MAX) {
		config_error(s->errors, at(s, 0), "the file is bigger than "
		    "%u bytes", BUNDLE_FILE_MAX);
		return false;
	}
	if (nul == NULL)
		return true;
	s->line = 1;
	for (const char *p = text; p < nul; p++)
		s->line += *p == '\n';
	config_error(s->errors, here(s),
	    "not a text file: there is a NUL byte in it");
	return false;
}

struct ini *
ini_parse(const char *file, const char *text, size_t len,
    struct config_errors *errors)
{
	struct scan s = { .file = file, .errors = errors,
		.ini = xcalloc(1, sizeof(struct ini)), .body = BUF_INIT };
	const char *end = text + len, *eol;

	if (!check_text(&s, text, len))
		return s.ini;
	/* editors on Windows put a byte order mark in front */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL)
			eol = end;
		s.line++;
		on_line(&s, text, (size_t)(eol - text));
	}
	end_section(&s);
	buf_done(&s.body);
	return s.ini;
}

void
ini_free(struct ini *ini)
{
	if (ini == NULL)
		return;
	for (size_t i = 0; i < ini->n; i++) {
		struct ini_section *section = &ini->sections[i];

		for (size_t j = 0; j < section->n_keys; j++) {
			free(section->keys[j].key);
			free(section->keys[j].value);
		}
		free(section->keys);
		free(section->kind);
		free(section->name);
	}
	free(ini->sections);
	free(ini);
}
