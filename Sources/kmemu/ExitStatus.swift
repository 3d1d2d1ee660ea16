import ArgumentParser

/// How kmemu ends: 1 and 2 for what a run found, sysexits(3) for the rest.
enum ExitStatus: Int32 {
  case good = 0
  /// An `expect:` of the scenario did not hold.
  case expectationFailed = 1
  /// A kernel rule was broken that the scenario does not expect to be.
  case ruleBroken = 2
  /// Unknown flags and such. The argument parser ends with the same number by itself.
  case usage = 64
  case badData = 65
  case missingInput = 66
  /// An error of ours; the message carries the line that replays it.
  case internalError = 70
  case inputOutput = 74
  /// Ended by the user; what was finished is kept.
  case interrupted = 130

  /// What a subcommand throws when all has been said and only the status is left.
  var thrown: ExitCode { ExitCode(rawValue) }
}
