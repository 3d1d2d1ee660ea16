import Simulation

/// Where every CPU's time went, by category and kernel function. Unit: picoseconds.
///
/// Invariant: all entries add up to CPUs times emulated time.
package struct Accounting: ~Copyable {
  static let pathMax = 256
  private var spent: Buffer<UInt64>

  init() { spent = Buffer(TimeCategory.allCases.count * Accounting.pathMax, 0) }
  private init(spent: consuming Buffer<UInt64>) { self.spent = spent }
  func clone() -> Accounting { Accounting(spent: spent.clone()) }

  @inline(__always)
  mutating func book(_ length: Duration, _ category: TimeCategory, _ path: PathName) {
    spent[Int(category.rawValue) &* Accounting.pathMax &+ Int(path.rawValue)] &+=
      length.picoseconds
  }

  /// Takes back what was booked ahead of its time.
  mutating func unbook(_ length: Duration, _ category: TimeCategory, _ path: PathName) {
    let place = Int(category.rawValue) * Accounting.pathMax + Int(path.rawValue)
    spent[place] -= min(spent[place], length.picoseconds)
  }

  package func spent(in category: TimeCategory, by path: PathName) -> Duration {
    let place = Int(category.rawValue) * Accounting.pathMax + Int(path.rawValue)
    return Duration(picoseconds: spent[place])
  }

  package func spent(in category: TimeCategory) -> Duration {
    PathName.allCases.reduce(.zero) { $0 + spent(in: category, by: $1) }
  }

  /// The function with most of a category's time.
  package func topPath(of category: TimeCategory) -> PathName? {
    let top = PathName.allCases.max { spent(in: category, by: $0) < spent(in: category, by: $1) }
    return top.flatMap { spent(in: category, by: $0) > .zero ? $0 : nil }
  }

  mutating func reset() {
    spent = Buffer(TimeCategory.allCases.count * Accounting.pathMax, 0)
  }
}
