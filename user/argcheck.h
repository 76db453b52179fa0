/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * argcheck.h - what is legal on a command line; for args.c
 */
#ifndef BPFIPT_ARGCHECK_H
#define BPFIPT_ARGCHECK_H

#include "args.h"

#define wrong(...)	xtables_error(PARAMETER_PROBLEM, __VA_ARGS__)

/* arg_set_command() - note command @new, which may only stand with those of @beside */
void arg_set_command(struct command *cmd, unsigned int new, unsigned int beside, bool invert);

/* arg_set_option() - note option @opt, once, and what `!` before it means */
void arg_set_option(struct command *cmd, unsigned int opt, bool invert);

/* arg_rule_number() - a rule number, from 1 */
unsigned int arg_rule_number(const char *word);

/* arg_check_name_length() - does a chain's @name fit? */
void arg_check_name_length(const char *name);

/* arg_check_new_name() - may a chain be called @name? */
void arg_check_new_name(const char *name);

/* arg_check_target_name() - may a target be called @name? Return: @name. */
const char *arg_check_target_name(const char *name);

/* arg_check_options() - every option goes with at least one of the commands */
void arg_check_options(const struct command *cmd);

/* arg_check_interfaces() - no -o in INPUT, no -i in OUTPUT */
void arg_check_interfaces(const struct command *cmd);

#endif /* BPFIPT_ARGCHECK_H */
