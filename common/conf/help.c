#include "common/conf/help.h"

#include "common/base/exit.h"

enum { WIDTH = 100, INDENT = 8 };

/* `text` in lines of at most WIDTH characters, each indented. Newlines in it are kept, and so are lines that
 * begin with a blank: they are tables. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = 0;
    while (*text) {
        if (!column && *text == ' ') {
            int len = (int)strcspn(text, "\n");
            fprintf(out, "%.*s", len, text);
            text += len;
            continue;
        }
        if (*text == '\n') {
            fputc('\n', out);
            column = 0;
            text++;
            continue;
        }
        int len = (int)strcspn(text, " \n");
        if (column && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += fprintf(out, "%*s%.*s", column ? 1 : indent, "", len, text);
        text += len;
        while (*text == ' ')
            text++;
    }
    fputc('\n', out);
}

static void print_flag(FILE *out, const struct conf_key *key)
{
    fprintf(out, "    --%s%s%s", key->name, *key->argument ? " " : "", key->argument);
    if (key->type == TYPE_LIST)
        fputs(" ...", out);
    if (key->fallback && key->type != TYPE_FLAG)
        fprintf(out, "  (default %s)", key->fallback);
    fputc('\n', out);
    print_wrapped(out, key->help, INDENT);
}

static const char common_flags[] =
    "    --config FILE\n        Read 'key = value' lines from FILE; each key is a flag without its dashes.\n"
    "    --check\n        Check the configuration and exit.\n"
    "    --help, --version, --man\n        Print this, the version, or the man page, and exit.\n";

static const char exit_codes[] =
    "    0    done\n"
    "    1    done, but for what is damaged or was refused: look into quarantine/\n"
    "    75   temporary: something is left, try again later\n"
    "    100  wrong usage or configuration: restarting will not help\n"
    "    111  temporary trouble: a supervisor should restart\n";

void conf_print_help(FILE *out, const struct conf_about *about)
{
    fprintf(out, "%s: %s\n\nUsage: %s [flags]%s%s\n\n", about->program, about->summary, about->program,
            *about->usage ? " " : "", about->usage);
    print_wrapped(out, about->text, 0);
    fputs("\nFlags:\n", out);
    for (size_t i = 0; i < CONF_KEYS; i++)
        if (conf_key((enum conf_id)i)->programs & about->bit)
            print_flag(out, conf_key((enum conf_id)i));
    fputs(common_flags, out);
    fputs("\nEach flag may also stand in the file of --config, or be a variable SPILLWAY_NAME_OF_FLAG.\n"
          "Flag beats environment beats file beats default.\n\nExit codes:\n",
          out);
    fputs(exit_codes, out);
    fprintf(out, "\nExamples:\n%s", about->examples);
}

/* One line of `len` bytes. Roff wants a dot or an apostrophe at its start, and every backslash and dash,
 * escaped. */
static void print_roff_line(FILE *out, const char *text, size_t len)
{
    if (len && (*text == '.' || *text == '\''))
        fputs("\\&", out);
    for (; len; text++, len--) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
    fputc('\n', out);
}

/* Paragraphs are filled; lines that begin with a blank are tables and stay as they are. */
static void print_roff(FILE *out, const char *text)
{
    bool is_table = false;
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len && (*text == ' ') != is_table) {
            is_table = !is_table;
            fputs(is_table ? ".nf\n" : ".fi\n", out);
        }
        if (len)
            print_roff_line(out, text, len);
        else
            fputs(".PP\n", out);
        text += len + (text[len] == '\n');
    }
    if (is_table)
        fputs(".fi\n", out);
}

static void print_section(FILE *out, const char *heading, const char *text)
{
    fprintf(out, ".SH %s\n", heading);
    print_roff(out, text);
}

static void print_man_flag(FILE *out, const struct conf_key *key)
{
    fputs(".TP\n.BI \\-\\-", out);
    for (const char *c = key->name; *c; c++)
        fputs((const char[]){*c == '-' ? '\\' : *c, *c == '-' ? '-' : '\0', '\0'}, out);
    fprintf(out, " \" %s\"\n", key->argument);
    print_roff(out, key->help);
    if (key->fallback && key->type != TYPE_FLAG)
        fprintf(out, "Default: %s.\n", key->fallback);
}

void conf_print_man(FILE *out, const struct conf_about *about)
{
    fprintf(out, ".TH %s 1 \"\" \"spillway %s\"\n.SH NAME\n%s \\- %s\n", about->program, SPILLWAY_VERSION,
            about->program, about->summary);
    fprintf(out, ".SH SYNOPSIS\n.B %s\n[flags] ", about->program);
    print_roff_line(out, about->usage, strlen(about->usage));
    print_section(out, "DESCRIPTION", about->text);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < CONF_KEYS; i++)
        if (conf_key((enum conf_id)i)->programs & about->bit)
            print_man_flag(out, conf_key((enum conf_id)i));
    print_section(out, "COMMON OPTIONS", common_flags);
    print_section(out, "EXIT STATUS", exit_codes);
    print_section(out, "EXAMPLES", about->examples);
}
