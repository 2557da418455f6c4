def monotone_generator(domain, model, weight): raise NotImplementedError
def sign_defect(generator): return 0.0
