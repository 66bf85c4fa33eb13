// Package train fits the weights of router/difficulty to labelled prompts and measured outcomes, and measures them on
// sources they have not seen: balanced recall, AUC, calibration, the share of the gap won at each share of thinking,
// and how often a harmless change of a prompt turns the decision.
//
// Everything is deterministic: the same data give the same weights. It is for the command line. It must not be reached
// from the daemon's requests.
package train
