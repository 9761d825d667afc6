/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that stand still. bind(2) takes a text and nothing else, and the text is what peers are told and answer to. So
 * for the length of a bind no program of the view may move a name or make a link: its calls that do so are made by
 * workers, and those wait.
 */
#pragma once

/* Around a call that can make a text lead elsewhere. Any number of workers at once. */
void still_change_begin(void);
void still_change_end(void);

/* Around the use of a text that has been checked. Alone. */
void still_begin(void);
void still_end(void);
