/** The exit codes of every command; docs/reno.md lists them. */
export const EXIT = {
  /** Everything that was asked for is done. */
  done: 0,
  /** Refused or failed, and one sentence says why. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A bug of this program (EX_SOFTWARE of sysexits.h). */
  internal: 70,
  /** The device was lost, or something else that may work next time (EX_TEMPFAIL). */
  temporary: 75,
  /** Ended by SIGHUP, SIGINT or SIGTERM: 128 and the signal's number, as shells count. */
  hangup: 129,
  interrupted: 130,
  /** Nobody reads the output any more: 128 and SIGPIPE's number. */
  pipe: 141,
  terminated: 143,
} as const;
