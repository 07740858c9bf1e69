export const auth = {
  name: "Your name",
  email: "E-mail",
  password: "Password",
  passwordHint: "At least {count} characters. A few unrelated words are easy to remember.",
  signIn: {
    title: "Welcome back to {instance}",
    text: "Sign in to go on where you left off.",
    action: "Sign in",
    noAccount: "No account yet?",
    create: "Create one",
    inviteOnly: "New here? An administrator can send you an invite link.",
    forgot: "Forgot your password? An administrator can make you a link to set a new one.",
    status: "Is everything working?",
  },
  signUp: {
    action: "Create account",
    haveAccount: "Have an account already?",
    first: {
      title: "Set up {instance}",
      text: "Make the first account. Everything stays on this machine.",
      note: "You will be the administrator: you decide who may join and which models answer.",
    },
    invited: {
      title: "You are invited to {instance}",
      text: "Choose how you sign in, and start talking.",
    },
    open: { title: "Join {instance}", text: "It takes half a minute." },
    shut: {
      title: "New accounts need a hand",
      invite: "You need an invite link to make an account here. Ask an administrator for one.",
      closed: "Accounts are made by the administrators here. Ask one of them.",
    },
  },
  reset: {
    title: "Choose a new password",
    text: "You are signed out everywhere else when it is set.",
    password: "New password",
    action: "Set password",
    done: "Your new password is set. Sign in with it.",
  },
  problem: {
    name: "Say what to call you.",
    email: "Write it like name@example.org.",
    password: "A password is needed.",
    shortPassword: "At least {count} characters, please.",
  },
} as const;
