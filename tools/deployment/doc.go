// Package deployment holds the files for containers against the rules of those who read them: compose-go, which
// docker compose is made with, loads what it would. It has tests only, and must not start anything.
package deployment
