print("kmemu")
