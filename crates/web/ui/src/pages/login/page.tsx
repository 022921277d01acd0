// Asks for the admin token.
import { Button, PasswordInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';

import { ApiFailure } from '../../api/request';
import { useLogin } from '../../api/session';
import { Mark } from '../../components/icons';
import { useTexts } from '../../i18n';
import styles from './page.module.css';

export function LoginPage() {
  const { t } = useTexts();
  const login = useLogin();
  const [token, setToken] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token !== '') login.mutate(token);
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <Mark size={34} />
      <h1 className={styles.title}>{t('login.title')}</h1>
      <p className={styles.explain}>{t('login.explain')}</p>
      <PasswordInput
        label={t('login.token')} value={token} onChange={(event) => setToken(event.currentTarget.value)} autoFocus
        autoComplete="current-password" error={useProblem(login.error)} visibilityToggleButtonProps={{ 'aria-label': t('login.token') }}
      />
      <Button type="submit" fullWidth loading={login.isPending}>{t('login.submit')}</Button>
    </form>
  );
}

function useProblem(error: Error | null): string | undefined {
  const { t } = useTexts();
  if (error === null) return undefined;
  if (!(error instanceof ApiFailure)) return error.message;
  const hint = error.hint === null ? '' : ` ${error.hint}`;
  return error.status === 401 ? t('login.wrong') : `${error.message}${hint}`;
}
