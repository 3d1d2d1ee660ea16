/// A contradiction in a data structure of the model: an error of ours, never of what is emulated.
///
/// Mechanisms throw it from `checkInvariants()`, which tests and `--check-invariants` call.
public struct BrokenInvariant: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Throws, with what is wrong, unless `isTrue`.
public func ensure(
  _ isTrue: Bool, _ description: @autoclosure () -> String
) throws(BrokenInvariant) {
  guard isTrue else { throw BrokenInvariant(description()) }
}
