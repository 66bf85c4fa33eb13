// Package probe puts prompts to the two variants of a running daemon and scores the answers, for the calibration of the
// router.
//
// Prompts are lines of JSON with a text, pictures and perhaps a reference answer, or logged chat requests. Where there
// is a reference, both answers are compared with it; elsewhere the direct answer is compared with the thinking one, and
// prompts whose answers cannot be compared are left out. Outcomes are appended to a file as they come, and prompts that
// are in it are not asked again.
//
// It does not fit weights or decide who answers, and it does not judge style: what it can compare is options, numbers,
// JSON, tool calls and short answers.
package probe
