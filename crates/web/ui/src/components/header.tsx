// The bar on top: menu of pages on narrow screens, search, state of the data, language, colours.
import { ActionIcon, Drawer, SegmentedControl, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { type ReactNode, useState } from 'react';

import { useLogout, useStatus } from '../api/session';
import { useTexts } from '../i18n';
import type { Language } from '../lib/format';
import styles from './header.module.css';
import { ExitIcon, KeyboardIcon, MenuIcon, MoonIcon, SunIcon } from './icons';
import { Brand, Navigation } from './navigation';

const LANGUAGES: { value: Language; label: string }[] = [{ value: 'en', label: 'EN' }, { value: 'zh-CN', label: '中文' }];

/** With the pages' menu, or without one where there are no pages to go to. */
export function Header({ state, search, onKeys }: { state?: ReactNode; search?: ReactNode; onKeys?: () => void }) {
  const { t, language, setLanguage } = useTexts();
  const status = useStatus();
  const logout = useLogout();
  const hasPages = onKeys !== undefined;
  return (
    <header className={styles.header}>
      {hasPages && <Menu />}
      <div className={hasPages ? `${styles.narrow} ${styles.brand}` : undefined}><Brand /></div>
      {search}
      <div className={styles.tools}>
        {state}
        <SegmentedControl
          size="xs" radius={5} aria-label={t('app.language')} data={LANGUAGES} value={language} withItemsBorders={false}
          onChange={(value) => setLanguage(value as Language)}
        />
        <SchemeSwitch />
        {hasPages && <Tool label={t('app.keys')} className={styles.wide} onClick={onKeys}><KeyboardIcon /></Tool>}
        {hasPages && status.data?.auth.required === true && (
          <Tool label={t('app.signOut')} onClick={() => logout.mutate()}><ExitIcon /></Tool>
        )}
      </div>
    </header>
  );
}

function Menu() {
  const { t } = useTexts();
  const [opened, setOpened] = useState(false);
  return (
    <div className={styles.narrow}>
      <Tool label={t('app.menu')} onClick={() => setOpened(true)}><MenuIcon /></Tool>
      <Drawer
        opened={opened} onClose={() => setOpened(false)} size={240} lockScroll={false} title="Heartline"
        closeButtonProps={{ 'aria-label': t('app.close') }}
      >
        <nav aria-label={t('app.navigation')}><Navigation onGo={() => setOpened(false)} /></nav>
      </Drawer>
    </div>
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
