// The bar on top: brand, pages, state of the data, language, colours.
import { ActionIcon, SegmentedControl, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import type { ReactNode } from 'react';

import { useLogout, useStatus } from '../api/session';
import { useTexts } from '../i18n';
import type { Language } from '../lib/format';
import { pages } from '../pages/pages';
import styles from './header.module.css';
import { ExitIcon, KeyboardIcon, Mark, MoonIcon, SunIcon } from './icons';
import { usePlace } from './place';

const LANGUAGES: { value: Language; label: string }[] = [{ value: 'en', label: 'EN' }, { value: 'zh-CN', label: '中文' }];

export function Header({ state, onKeys }: { state?: ReactNode; onKeys?: () => void }) {
  const { t, language, setLanguage } = useTexts();
  const { path } = usePlace();
  const status = useStatus();
  const logout = useLogout();
  return (
    <header className={styles.header}>
      <a className={styles.skip} href="#main" onClick={skip}>{t('app.skip')}</a>
      <a className={styles.brand} href="#/"><Mark /><span>Heartline</span></a>
      {onKeys !== undefined && (
        <nav className={styles.pages} aria-label={t('app.navigation')}>
          {pages.map((page) => (
            <a key={page.key} href={`#${page.path}`} aria-current={page.path === path ? 'page' : undefined}>
              {t(`page.${page.key}`)}
            </a>
          ))}
        </nav>
      )}
      <div className={styles.tools}>
        {state}
        <SegmentedControl
          size="xs" radius={5} aria-label={t('app.language')} data={LANGUAGES} value={language} withItemsBorders={false}
          onChange={(value) => setLanguage(value as Language)}
        />
        <SchemeSwitch />
        {onKeys !== undefined && <Tool label={t('app.keys')} className={styles.wide} onClick={onKeys}><KeyboardIcon /></Tool>}
        {onKeys !== undefined && status.data?.auth.required === true && (
          <Tool label={t('app.signOut')} onClick={() => logout.mutate()}><ExitIcon /></Tool>
        )}
      </div>
    </header>
  );
}

function SchemeSwitch() {
  const { t } = useTexts();
  // Mantine would stop transitions by a <style> element, which the content security policy forbids.
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const dark = useComputedColorScheme('light', { getInitialValueInEffect: false }) === 'dark';
  return (
    <Tool label={t(dark ? 'app.toLight' : 'app.toDark')} onClick={() => setColorScheme(dark ? 'light' : 'dark')}>
      {dark ? <SunIcon /> : <MoonIcon />}
    </Tool>
  );
}

function Tool({ label, onClick, className, children }: { label: string; onClick: () => void; className?: string | undefined; children: ReactNode }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" className={`${styles.tool} ${className ?? ''}`} aria-label={label} onClick={onClick}>{children}</ActionIcon>
    </Tooltip>
  );
}

function skip(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
