// Package decoders carries decoding jobs out in processes of their own. Decoders take no context, and some of them work
// for seconds on a picture that was sent in 40 bytes: a process can be ended in the middle, and the system gets all of
// its memory back at once.
//
// Processes are kept for the next job, as starting one takes longer than most pictures do. It must not decide what is
// decoded, how much at a time or for how long; multimodal.Decoder does.
package decoders
