@main
struct Bench {
  static func main() {
    for slots in [64, 1024, 4096] {
      print("hold", slots, Hold.measure(slots: slots, events: 20_000_000) / 1e6)
    }
  }
}
