#include "common/conf/help.h"

#include "common/base/exit.h"

enum { WIDTH = 100, INDENT = 8 };

/* `text` in lines of at most WIDTH characters, each indented. Newlines in it are kept. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = 0;
    while (*text) {
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

/* Roff wants a dot or an apostrophe at the start of a line, and every backslash and dash, escaped. */
static void print_roff(FILE *out, const char *text)
{
    for (bool at_start = true; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        at_start = *text == '\n';
    }
    fputc('\n', out);
}

static void print_block(FILE *out, const char *heading, const char *text)
{
    fprintf(out, ".SH %s\n.nf\n", heading);
    print_roff(out, text);
    fputs(".fi\n", out);
}

void conf_print_man(FILE *out, const struct conf_about *about)
{
    fprintf(out, ".TH %s 1 \"\" \"spillway %s\"\n.SH NAME\n%s \\- %s\n", about->program, SPILLWAY_VERSION,
            about->program, about->summary);
    fprintf(out, ".SH SYNOPSIS\n.B %s\n[flags] ", about->program);
    print_roff(out, about->usage);
    fputs(".SH DESCRIPTION\n", out);
    print_roff(out, about->text);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < CONF_KEYS; i++) {
        const struct conf_key *key = conf_key((enum conf_id)i);
        if (!(key->programs & about->bit))
            continue;
        fputs(".TP\n.B \\-\\-", out);
        print_roff(out, key->name);
        if (*key->argument)
            fprintf(out, ".I %s\n", key->argument);
        if (key->fallback && key->type != TYPE_FLAG)
            fprintf(out, "(default %s)\n", key->fallback);
        fputs(".br\n", out);
        print_roff(out, key->help);
    }
    print_block(out, "COMMON OPTIONS", common_flags);
    print_block(out, "EXIT STATUS", exit_codes);
    print_block(out, "EXAMPLES", about->examples);
}
