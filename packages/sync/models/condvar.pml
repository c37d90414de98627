/*
 * src/condvar.ts: KCondvar. A thread that blocks, one with a deadline and one that waits by callback each want a token; a fourth makes them.
 * The mutex is an ideal one here: mutex.pml is its own model.
 *
 * Checked: the mutex is owned after every wait; no wake-up is lost (else spin reports an invalid end state). With -DBROADCAST the tokens come all
 * at once.
 */
#define PROCESSES 4
#define PLACES 2
#define THREADS 0
#define CALLBACKS 1
#ifndef SPURIOUS
#define SPURIOUS 2
#endif
#include "parking.inc"

bool held;
byte tokens;
byte broadcasts;

inline enter_mutex()
{
	atomic { !held -> held = true }
}

inline exit_mutex()
{
	held = false
}

inline take_token()
{
	assert(held && tokens > 0);
	tokens--;
	exit_mutex()
}

proctype Consumer(byte me; bool timed)
{
	byte expected;
	bool expired;

	enter_mutex();
	do
	:: tokens > 0 -> break
	:: else ->
		park_enter(THREADS);
		park_sequence(THREADS, expected);
		exit_mutex();
		park_sleep(THREADS, me, expected, timed, expired);
		park_leave(THREADS);
		enter_mutex();
		if
		:: expired && tokens == 0 -> exit_mutex(); goto gone
		:: else
		fi
	od;
	take_token();
gone:
	skip
}

proctype Caller(byte me)
{
	byte note, generation, expected;
	bool expired;

	enter_mutex();
	do
	:: tokens > 0 -> break
	:: else ->
		park_sequence(CALLBACKS, note);
		generation = broadcasts;                /* [condvar:callback-generation] */
		park_enter(CALLBACKS);
		exit_mutex();
		do
		:: true ->
			park_sequence(CALLBACKS, expected);
			if
			:: broadcasts != generation -> break    /* [condvar:callback-broadcast] */
			:: else
			fi;
			if
			:: sequence[CALLBACKS] != note -> break /* [parking:sequence] */
			:: else
			fi;
			park_sleep(CALLBACKS, me, expected, false, expired)
		od;
		park_leave(CALLBACKS);
		enter_mutex()
	od;
	take_token()
}

proctype Producer(byte me)
{
	bool woken;

#ifdef BROADCAST
	enter_mutex();
	tokens = 3;
	park_wake_all(THREADS);
	broadcasts++;                                   /* [condvar:broadcast] */
	park_wake_all(CALLBACKS);
	exit_mutex()
#else
	byte made;
	do
	:: made == 3 -> break
	:: else ->
		made++;
		enter_mutex();
		tokens++;
		if
		:: exit_mutex();                        /* the signal may come with the mutex or without */
			park_wake_one(THREADS, woken);
			park_wake_all(CALLBACKS)
		:: park_wake_one(THREADS, woken);
			park_wake_all(CALLBACKS);
			exit_mutex()
		fi
	od
#endif
}

init {
	atomic {
		run Consumer(0, false);
		run Consumer(1, true);
		run Caller(2);
		run Producer(3)
	}
}
