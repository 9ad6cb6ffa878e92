/* SPDX-License-Identifier: MIT */
/*
 * Owns how the table of settings is shown to people: as a config file and
 * as a list in the manual.  Pure but for the FILE it is given.
 */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/settings.h"
#include "common/str.h"

#define COLUMNS 80		/* of a line */

/* One line a section, above its header. */
static const struct {
	const char *header;	/* in the manual */
	const char *example;	/* in a file */
	const char *text;
} sections[SETTING_SECTIONS] = {
	[SETTING_WSSD] = { "[wssd]", "[wssd]", "The daemon." },
	[SETTING_LISTEN] = { "[listen NAME]", "[listen]",
		"Where clients connect.  One for each kind of address." },
	[SETTING_CONTEXT] = { "[context NAME]", "[context]",
		"A certificate and how TLS is spoken with it." },
	[SETTING_ROUTE] = { "[route PATH]", "[route /]",
		"What happens under a path; the longest that matches wins." },
};

/* Words of the text, in lines that begin with "# ". */
static void
print_comment(FILE *f, const char *text)
{
	size_t column = 0;

	for (size_t len; *text != '\0'; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (column == 0 || column + 1 + len > COLUMNS) {
			fputs(column == 0 ? "#" : "\n#", f);
			column = 1;
		}
		fprintf(f, " %.*s", (int)len, text);
		column += 1 + len;
	}
	fputc('\n', f);
}

/* What can be written: "on or off", "1 to 256", or "". */
static void
format_choice(const struct setting *s, char *out, size_t size)
{
	char min[STR_NUMBER_MAX], max[STR_NUMBER_MAX];
	size_t n = 0;

	out[0] = '\0';
	switch (s->type) {
	case SETTING_BOOL:
		snprintf(out, size, "on or off");
		break;
	case SETTING_WORD:
		for (size_t i = 0; s->words[i] != NULL && n < size; i++)
			n += (size_t)snprintf(out + n, size - n, "%s%s",
			    i == 0 ? "" : s->words[i + 1] == NULL ? " or " :
			    ", ", s->words[i]);
		break;
	case SETTING_SIZE:
		str_format_size(s->min, min);
		str_format_size(s->max, max);
		snprintf(out, size, "%s to %s", min, max);
		break;
	case SETTING_DURATION:
		str_format_duration(s->min, min);
		str_format_duration(s->max, max);
		snprintf(out, size, "%s to %s", min, max);
		break;
	case SETTING_MODE:
		snprintf(out, size, "%04llo to %04llo",
		    (unsigned long long)s->min, (unsigned long long)s->max);
		break;
	case SETTING_UINT:
	case SETTING_WORKERS:
		snprintf(out, size, "%s%llu to %llu",
		    s->type == SETTING_WORKERS ? "auto, or " : "",
		    (unsigned long long)s->min, (unsigned long long)s->max);
		break;
	default:
		break;
	}
}

static void
print_default(FILE *f, const struct setting *s)
{
	char choice[128], *help;
	bool needed = (s->flags & SETTING_REQUIRED) != 0 &&
	    (s->handler == NULL || strcmp(s->handler, "reply") == 0);

	format_choice(s, choice, sizeof(choice));
	help = xasprintf("%s%s%s%s", s->help, *choice ? "  (" : "", choice,
	    *choice ? ")" : "");
	print_comment(f, help);
	free(help);
	/* What only another handler takes would be an error there. */
	if (s->initial != NULL)
		fprintf(f, "%s%s = %s\n\n", s->handler != NULL ? "#" : "",
		    s->key, s->initial);
	else
		fprintf(f, "%s%s = %s\n\n", needed ? "" : "#", s->key,
		    s->example);
}

void
settings_print_defaults(FILE *f)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || rows[i].section != rows[i - 1].section) {
			print_comment(f, sections[rows[i].section].text);
			fprintf(f, "%s\n\n", sections[rows[i].section].example);
		}
		print_default(f, &rows[i]);
	}
}

/* A word that roff does not take for a request, with its "\\" escaped. */
static void
print_roff_word(FILE *f, const char *word, size_t len, bool first)
{
	if (first && (*word == '.' || *word == '\''))
		fputs("\\&", f);
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\')
			fputs("\\e", f);
		else
			fputc(word[i], f);
	}
}

/* Each sentence begins a line, as roff wants it. */
static void
print_roff(FILE *f, const char *text)
{
	size_t column = 0;

	for (size_t len; *text != '\0'; text += len) {
		size_t blanks = strspn(text, " ");

		text += blanks;
		len = strcspn(text, " ");
		if (column > 0 && (blanks > 1 ||
		    column + 1 + len > COLUMNS - 2)) {
			fputc('\n', f);
			column = 0;
		}
		if (column > 0)
			fputc(' ', f);
		print_roff_word(f, text, len, column == 0);
		column += len + 1;
	}
	fputc('\n', f);
}

static const char *
placeholder(const struct setting *s)
{
	switch (s->type) {
	case SETTING_LIST:
		return s->flags & SETTING_FILE ? "files" : "list";
	case SETTING_SIZE:
		return "size";
	case SETTING_DURATION:
		return "time";
	case SETTING_UINT:
	case SETTING_WORKERS:
		return "number";
	case SETTING_MODE:
		return "mode";
	case SETTING_WORD:
		return "word";
	case SETTING_BOOL:
		return "on | off";
	default:
		return s->flags & (SETTING_FOLDER | SETTING_DIRECTORY) ?
		    "folder" : s->flags & SETTING_FILE ? "file" : "text";
	}
}

static void
print_item(FILE *f, const struct setting *s)
{
	char choice[128];

	format_choice(s, choice, sizeof(choice));
	fprintf(f, ".It Ic %s Li = Ar %s\n", s->key, placeholder(s));
	print_roff(f, s->help);
	if (s->flags & SETTING_REQUIRED) {
		if (s->handler != NULL)
			fprintf(f, "Required with\n.Ic handler Li = %s .\n",
			    s->handler);
		else
			fputs("Required.\n", f);
	}
	if (*choice != '\0' && s->type != SETTING_BOOL)
		fprintf(f, "Possible: %s.\n", choice);
	if (s->initial != NULL)
		fprintf(f, "The default is\n.Ql %s .\n", s->initial);
	if (s->reload == SETTING_RESTART)
		fputs("A change needs a restart.\n", f);
	else if (s->reload == SETTING_ROLL)
		fputs("A reload with a change of it replaces the workers.\n",
		    f);
}

void
settings_print_mdoc(FILE *f)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || rows[i].section != rows[i - 1].section) {
			if (i != 0)
				fputs(".El\n", f);
			/* \&: not the end of a sentence */
			fprintf(f, ".Ss %s\\&\n",
			    sections[rows[i].section].header);
			print_roff(f, sections[rows[i].section].text);
			fputs(".Bl -tag -width Ds\n", f);
		}
		print_item(f, &rows[i]);
	}
	fputs(".El\n", f);
}
