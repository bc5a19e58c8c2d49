/*
 * certs.h - certificates for tests, made anew in a folder: an authority and what it signed, and
 * another authority that nobody trusts.
 */
#ifndef SUPPORT_CERTS_H
#define SUPPORT_CERTS_H

/* In `dir`, each NAME.pem with NAME.key:
 *   ca, other        authorities
 *   server           of ca, for localhost, 127.0.0.1 and ::1
 *   elsewhere        of ca, for another host
 *   expired, early   of ca, out of their time
 *   client           of ca
 *   foreign          of other, for localhost and 127.0.0.1
 * and locked.key, the client's key under the password "open sesame". Aborts if it cannot. */
void certs_make(const char *dir);
void certs_remove(const char *dir); /* with the folder */

#endif
